//! Values there and back: long text by bulk load and by parameter, NULL, every type the relay uses.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{connect, number, rows, run, text};
use kaizen_stand_in::StandIn;
use tiberius::{
    ColumnData, TokenRow, Uuid,
    error::Error,
    time::chrono::{DateTime, NaiveDate, NaiveDateTime, Utc},
};

/// UTF-16 units beyond which tiberius refuses a value of a bulk load into a column of `max`.
const BULK_LIMIT: usize = 32_767;

/// `units` UTF-16 units with quotes, blanks, accents, pairs of surrogates, and text that looks like
/// T-SQL.
fn awkward(units: usize) -> String {
    let pattern = "it's \"[quoted]\"; -- /* é 😀 \u{10FFFF} \u{FFFD} N'x' \n\0";
    let mut text = String::new();
    let mut left = units;
    for c in pattern.chars().cycle() {
        if left < c.len_utf16() {
            break;
        }
        left -= c.len_utf16();
        text.push(c);
    }
    text.extend(std::iter::repeat_n('x', left));
    assert_eq!(text.encode_utf16().count(), units);
    text
}

async fn table(client: &mut common::Sql) {
    run(
        client,
        "CREATE TABLE #t (id int NOT NULL, long nvarchar(max) NULL, short nvarchar(100) NULL)",
    )
    .await
    .unwrap();
}

async fn back(client: &mut common::Sql, id: i32) -> Option<String> {
    let row = client.query("SELECT long FROM #t WHERE id = @P1", &[&id]).await.unwrap();
    let row = row.into_row().await.unwrap().unwrap();
    row.get::<&str, _>(0).map(str::to_owned)
}

#[tokio::test]
async fn long_text_survives_as_a_parameter() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    table(&mut client).await;
    for (id, units) in [0, 1, 3_999, 4_000, 4_001, 8_001, 1_000_001].into_iter().enumerate() {
        let (id, long) = (i32::try_from(id).unwrap(), awkward(units));
        let added = client
            .execute("INSERT INTO #t (id, long) VALUES (@P1, @P2)", &[&id, &long.as_str()])
            .await
            .unwrap();
        assert_eq!(added.rows_affected(), [1]);
        assert_eq!(back(&mut client, id).await.unwrap(), long, "{units}");
        // As a value without a column too.
        let echo = client.query("SELECT @P1", &[&long.as_str()]).await.unwrap();
        let echo = echo.into_row().await.unwrap().unwrap();
        assert_eq!(echo.get::<&str, _>(0), Some(long.as_str()), "{units}");
    }
}

#[tokio::test]
async fn long_text_survives_a_bulk_load_as_far_as_the_client_sends_it() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    table(&mut client).await;
    let sizes = [0, 1, 3_999, 4_000, 4_001, 8_001, BULK_LIMIT];
    let mut load = client.bulk_insert("#t").await.unwrap();
    for (id, units) in sizes.into_iter().enumerate() {
        let mut row = TokenRow::new();
        row.push(ColumnData::I32(Some(i32::try_from(id).unwrap())));
        row.push(text(awkward(units)));
        row.push(ColumnData::String(None));
        load.send(row).await.unwrap();
    }
    assert_eq!(load.finalize().await.unwrap().total(), sizes.len() as u64);
    for (id, units) in sizes.into_iter().enumerate() {
        let read = back(&mut client, i32::try_from(id).unwrap()).await;
        assert_eq!(read.unwrap(), awkward(units), "{units}");
    }
    // One more unit, and tiberius takes 0xFFFF, which stands for max, for a limit in bytes.
    let mut load = client.bulk_insert("#t").await.unwrap();
    let mut row = TokenRow::new();
    row.push(ColumnData::I32(Some(99)));
    row.push(text(awkward(BULK_LIMIT + 1)));
    row.push(ColumnData::String(None));
    let error = load.send(row).await.unwrap_err();
    assert!(matches!(error, Error::BulkInput(_)), "{error:?}");
}

#[tokio::test]
async fn a_column_that_insert_bulk_declares_as_another_type_is_refused() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    for (length, refused) in [(2_000, false), (2_001, true), (4_000, true)] {
        run(&mut client, &format!("CREATE TABLE #n{length} (a nvarchar({length}) NULL)"))
            .await
            .unwrap();
        let table = format!("#n{length}");
        let mut load = client.bulk_insert(&table).await.unwrap();
        let mut row = TokenRow::new();
        row.push(text("short"));
        load.send(row).await.unwrap();
        let result = load.finalize().await;
        if refused {
            assert_eq!(number(result), 4816, "{length}");
        } else {
            assert_eq!(result.unwrap().total(), 1);
        }
    }
}

#[tokio::test]
async fn a_bulk_load_is_all_or_nothing() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    run(&mut client, "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, a nvarchar(3) NULL)")
        .await
        .unwrap();
    let mut load = client.bulk_insert("dbo.t").await.unwrap();
    for id in [1, 2, 1] {
        let mut row = TokenRow::new();
        row.push(ColumnData::I32(Some(id)));
        row.push(text("é😀"));
        load.send(row).await.unwrap();
    }
    assert_eq!(number(load.finalize().await), 2627);
    assert_eq!(server.query("SELECT COUNT(*) FROM dbo.t"), [["0"]]);
    // The connection goes on.
    let insert = client.execute("INSERT dbo.t (id, a) VALUES (@P1, @P2)", &[&1, &"é😀a"]).await;
    assert_eq!(number(insert), 2628);
}

#[tokio::test]
async fn every_type_of_a_parameter_comes_back() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    run(
        &mut client,
        "CREATE TABLE #all (id uniqueidentifier NOT NULL, big bigint NOT NULL, small int NULL, \
         yes bit NOT NULL, ratio float NULL, bytes varbinary(max) NULL, at datetime2(6) NOT NULL, \
         word nvarchar(100) NULL, code char(4) NULL)",
    )
    .await
    .unwrap();
    let id = Uuid::from_u128(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10);
    let bytes = vec![7_u8; 9_000];
    let at: NaiveDateTime = NaiveDate::from_ymd_opt(2026, 1, 31)
        .unwrap()
        .and_hms_micro_opt(23, 59, 59, 999_999)
        .unwrap();
    let utc: DateTime<Utc> = at.and_utc();
    let insert = "INSERT INTO #all (id, big, small, yes, ratio, bytes, at, word, code) \
         VALUES (@P1, @P2, @P3, @P4, @P5, @P6, @P7, @P8, @P9)";
    let none: Option<i32> = None;
    let nothing: Option<&str> = None;
    client
        .execute(
            insert,
            &[&id, &i64::MIN, &none, &true, &0.1_f64, &bytes.as_slice(), &at, &nothing, &"ab"],
        )
        .await
        .unwrap();
    client
        .execute(
            insert,
            &[&id, &i64::MAX, &-1, &false, &1e300, &bytes.as_slice(), &utc, &"w", &"cd"],
        )
        .await
        .unwrap();
    for row in rows(&mut client, "SELECT * FROM #all ORDER BY big").await.unwrap() {
        assert_eq!(row.get::<Uuid, _>("id"), Some(id));
        assert_eq!(row.get::<&[u8], _>("bytes"), Some(bytes.as_slice()));
        assert_eq!(row.get::<NaiveDateTime, _>("at"), Some(at));
        let first = row.get::<i64, _>("big") == Some(i64::MIN);
        assert_eq!(row.get::<i32, _>("small"), (!first).then_some(-1));
        assert_eq!(row.get::<bool, _>("yes"), Some(first));
        assert_eq!(row.get::<f64, _>("ratio"), Some(if first { 0.1 } else { 1e300 }));
        assert_eq!(row.get::<&str, _>("word"), (!first).then_some("w"));
    }
    let typed = "SELECT COUNT(*), MAX(big), CAST(1 AS bit), NEWID(), SYSUTCDATETIME(), N'a' + N'b', \
         CAST(N'1.25' AS decimal(5, 1)), DB_NAME(), SUSER_SNAME(), @@VERSION, \
         CASE WHEN 1 = 1 THEN word END FROM #all GROUP BY word ORDER BY word";
    let row = &rows(&mut client, typed).await.unwrap()[1];
    assert_eq!(row.get::<i32, _>(0), Some(1));
    assert_eq!(row.get::<i64, _>(1), Some(i64::MAX));
    assert_eq!(row.get::<bool, _>(2), Some(true));
    assert!(row.get::<Uuid, _>(3).is_some());
    assert!(row.get::<NaiveDateTime, _>(4).is_some());
    assert_eq!(row.get::<&str, _>(5), Some("ab"));
    assert_eq!(row.get::<tiberius::numeric::Numeric, _>(6).unwrap().to_string(), "1.3");
    assert_eq!(row.get::<&str, _>(7), Some("kaizen"));
    assert_eq!(row.get::<&str, _>(8), Some("prov"));
    assert!(row.get::<&str, _>(9).unwrap().contains("stand-in"));
    assert_eq!(row.get::<&str, _>(10), Some("w"));
}

#[tokio::test]
async fn several_statements_give_several_results() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    let results = client
        .query(
            "DECLARE @n int = 2; SELECT v.a FROM (VALUES (@P1, N'x'), (@n, N'y')) AS v (a, b) \
             ORDER BY v.a OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY; SELECT TOP (1) @P1 AS a",
            &[&1],
        )
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap();
    let values: Vec<Option<i32>> = results.iter().map(|rows| rows[0].get("a")).collect();
    assert_eq!(values, [Some(2), Some(1)]);
    let counts = client
        .execute("CREATE TABLE #c (a int); INSERT INTO #c VALUES (1), (2); DELETE FROM #c", &[])
        .await
        .unwrap();
    assert_eq!(counts.total(), 4);
}
