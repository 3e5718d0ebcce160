//! Row by row from the generator into the tables, parents before children.
//!
//! It knows columns and their order; where the file is and how it is made safe is `data`'s.

use rusqlite::{Connection, Statement, params};
use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen::text::TextPool;

/// The comments are cut from a text of this size. TPC-H means 300 MiB, which takes longer to make
/// than all the rows of the demo; only the comments differ.
const TEXT_BYTES: i32 = 4 * 1024 * 1024;

/// What the rows are generated from.
struct Source {
    scale: f64,
    distributions: &'static Distributions,
    text: TextPool,
}

type Loader = fn(&Connection, &Source) -> Result<u64, rusqlite::Error>;

const LOADERS: [(&str, Loader); 8] = [
    ("region", region),
    ("nation", nation),
    ("supplier", supplier),
    ("customer", customer),
    ("part", part),
    ("partsupp", partsupp),
    ("orders", orders),
    ("lineitem", lineitem),
];

/// Loads all tables; gives back each table's name and number of rows.
pub(super) fn load_all(
    connection: &Connection,
    scale: f64,
    progress: &dyn Fn(&str),
) -> Result<Vec<(&'static str, u64)>, rusqlite::Error> {
    let distributions = Distributions::static_default();
    let source = Source { scale, distributions, text: TextPool::new(TEXT_BYTES, distributions) };
    let mut loaded = Vec::with_capacity(LOADERS.len());
    for (table, load) in LOADERS {
        progress(table);
        loaded.push((table, load(connection, &source)?));
    }
    Ok(loaded)
}

/// Inserts each row with `bind`, which executes the prepared statement, into a table of
/// `columns` columns. Gives back how many rows that made: at small scales TPC-H's formula for the
/// suppliers of a part names some pairs twice, and a primary key is a primary key.
fn insert<R>(
    connection: &Connection,
    table: &str,
    columns: usize,
    rows: impl Iterator<Item = R>,
    bind: impl Fn(&mut Statement<'_>, R) -> Result<usize, rusqlite::Error>,
) -> Result<u64, rusqlite::Error> {
    let places = vec!["?"; columns].join(", ");
    let mut statement =
        connection.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({places})"))?;
    let mut count = 0;
    for row in rows {
        count += bind(&mut statement, row)? as u64;
    }
    Ok(count)
}

fn region(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator =
        RegionGenerator::new_with_distributions_and_text_pool(from.distributions, &from.text);
    insert(connection, "region", 3, generator.iter(), |statement, row| {
        statement.execute(params![row.r_regionkey, row.r_name, row.r_comment,])
    })
}

fn nation(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator =
        NationGenerator::new_with_distributions_and_text_pool(from.distributions, &from.text);
    insert(connection, "nation", 4, generator.iter(), |statement, row| {
        statement.execute(params![row.n_nationkey, row.n_name, row.n_regionkey, row.n_comment,])
    })
}

fn supplier(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator = SupplierGenerator::new_with_distributions_and_text_pool(
        from.scale,
        1,
        1,
        from.distributions,
        &from.text,
    );
    insert(connection, "supplier", 7, generator.iter(), |statement, row| {
        statement.execute(params![
            row.s_suppkey,
            row.s_name.to_string(),
            row.s_address.to_string(),
            row.s_nationkey,
            row.s_phone.to_string(),
            row.s_acctbal.into_inner(),
            row.s_comment,
        ])
    })
}

fn customer(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator = CustomerGenerator::new_with_distributions_and_text_pool(
        from.scale,
        1,
        1,
        from.distributions,
        &from.text,
    );
    insert(connection, "customer", 8, generator.iter(), |statement, row| {
        statement.execute(params![
            row.c_custkey,
            row.c_name.to_string(),
            row.c_address.to_string(),
            row.c_nationkey,
            row.c_phone.to_string(),
            row.c_acctbal.into_inner(),
            row.c_mktsegment,
            row.c_comment,
        ])
    })
}

fn part(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator = PartGenerator::new_with_distributions_and_text_pool(
        from.scale,
        1,
        1,
        from.distributions,
        &from.text,
    );
    insert(connection, "part", 9, generator.iter(), |statement, row| {
        statement.execute(params![
            row.p_partkey,
            row.p_name.to_string(),
            row.p_mfgr.to_string(),
            row.p_brand.to_string(),
            row.p_type,
            row.p_size,
            row.p_container,
            row.p_retailprice.into_inner(),
            row.p_comment,
        ])
    })
}

fn partsupp(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator = PartSuppGenerator::new_with_text_pool(from.scale, 1, 1, &from.text);
    insert(connection, "partsupp", 5, generator.iter(), |statement, row| {
        statement.execute(params![
            row.ps_partkey,
            row.ps_suppkey,
            row.ps_availqty,
            row.ps_supplycost.into_inner(),
            row.ps_comment,
        ])
    })
}

fn orders(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator = OrderGenerator::new_with_distributions_and_text_pool(
        from.scale,
        1,
        1,
        from.distributions,
        &from.text,
    );
    insert(connection, "orders", 9, generator.iter(), |statement, row| {
        statement.execute(params![
            row.o_orderkey,
            row.o_custkey,
            row.o_orderstatus.as_str(),
            row.o_totalprice.into_inner(),
            row.o_orderdate.to_string(),
            row.o_orderpriority,
            row.o_clerk.to_string(),
            row.o_shippriority,
            row.o_comment,
        ])
    })
}

fn lineitem(connection: &Connection, from: &Source) -> Result<u64, rusqlite::Error> {
    let generator = LineItemGenerator::new_with_distributions_and_text_pool(
        from.scale,
        1,
        1,
        from.distributions,
        &from.text,
    );
    insert(connection, "lineitem", 16, generator.iter(), |statement, row| {
        statement.execute(params![
            row.l_orderkey,
            row.l_partkey,
            row.l_suppkey,
            row.l_linenumber,
            row.l_quantity,
            row.l_extendedprice.into_inner(),
            row.l_discount.into_inner(),
            row.l_tax.into_inner(),
            row.l_returnflag,
            row.l_linestatus,
            row.l_shipdate.to_string(),
            row.l_commitdate.to_string(),
            row.l_receiptdate.to_string(),
            row.l_shipinstruct,
            row.l_shipmode,
            row.l_comment,
        ])
    })
}
