//! One client's connection, from PRELOGIN to its end: reads messages, has them run, answers, and does
//! the harm that a test ordered (`fault`).

use crate::{
    answer::{ATTENTION, Answer, Ending},
    engine::{Engine, Outcome, Reply, Variables},
    error::SqlError,
    fault::{Fault, pause},
    login::{Login, prelogin},
    scope::MOST_PARAMETERS,
    server::Shared,
    values,
    wire::{Broken, Message, Reader, Wire, kind, utf16},
    wire_type::WireType,
};
use std::{io, net::TcpStream, sync::Arc};

/// Packets of a bulk load that still arrive before CutInBulk.
const PACKETS_BEFORE_CUT: usize = 3;

/// What a fault of the login itself is ordered for.
const LOGIN: &str = "LOGIN7";

/// `sp_executesql` by number, as every client calls it.
const EXECUTE_SQL: u16 = 10;

struct Session {
    wire: Wire,
    shared: Arc<Shared>,
    engine: Engine,
    /// The number of the latest transaction, which is its descriptor.
    transaction: u64,
    /// What happens to the bulk load that INSERT BULK announced.
    bulk_fault: Option<Fault>,
}

/// Whether to go on with the connection.
type Goes = io::Result<bool>;

pub(crate) fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    let result = greet(&mut wire, &shared);
    let Some(engine) = result? else {
        wire.close();
        return Ok(());
    };
    let mut session = Session { wire, shared, engine, transaction: 0, bulk_fault: None };
    let result = session.run();
    session.wire.close();
    result
}

/// PRELOGIN and LOGIN7; `None` where the client is not let in.
fn greet(wire: &mut Wire, shared: &Arc<Shared>) -> io::Result<Option<Engine>> {
    match wire.read(None)? {
        Some(message) if message.kind == kind::PRELOGIN => wire.write(kind::RESULT, &prelogin())?,
        _ => return Ok(None),
    }
    let Some(message) = wire.read(None)?.filter(|message| message.kind == kind::LOGIN) else {
        return Ok(None);
    };
    let mut answer = Answer::default();
    let login = Login::read(&message.body).map_err(|broken| invalid(&broken))?;
    let fault = shared.faults.due(LOGIN);
    match &fault {
        Some(Fault::Delay(time)) => pause(*time, &shared.stopping),
        Some(Fault::CutBefore | Fault::CutAfter | Fault::CutInBulk) => return Ok(None),
        Some(Fault::Error { .. }) | None => {}
    }
    let refused = fault.and_then(|fault| fault.error()).map_or(Ok(()), Err);
    let opened = refused
        .and_then(|()| login.check())
        .and_then(|()| Ok(shared.open(&login.user, &login.database)?));
    let engine = match opened {
        Ok(engine) => engine,
        Err(error) => {
            answer.error(&error);
            answer.done(0xFD, 2, 0, 0);
            wire.write(kind::RESULT, &answer.bytes)?;
            return Ok(None);
        }
    };
    let size = login.negotiated();
    answer.changed(1, &login.database, "master");
    answer.collation();
    answer.login();
    answer.changed(4, &size.to_string(), "4096");
    answer.done(0xFD, 0, 0, 0);
    shared.logged_in();
    wire.write(kind::RESULT, &answer.bytes)?;
    wire.packet_size = size as usize;
    Ok(Some(engine))
}

fn invalid(broken: &Broken) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, broken.0.clone())
}

impl Session {
    fn run(&mut self) -> io::Result<()> {
        loop {
            let cut = self.bulk_fault == Some(Fault::CutInBulk);
            let cut = cut.then_some(PACKETS_BEFORE_CUT);
            let Some(message) = self.wire.read(cut)? else { return Ok(()) };
            if !self.message(&message)? {
                return Ok(());
            }
        }
    }

    fn message(&mut self, message: &Message) -> Goes {
        let mut from = Reader::new(&message.body);
        match message.kind {
            kind::BATCH => {
                from.skip_headers().map_err(|broken| invalid(&broken))?;
                let sql = utf16(from.rest());
                self.shared.received(&sql);
                self.faulty(&sql, Ending::Batch, |engine| engine.run(&sql, Variables::new()))
            }
            kind::RPC => match procedure(&mut from) {
                Ok((sql, variables)) => {
                    self.shared.received(&sql);
                    self.faulty(&sql, Ending::Procedure, |engine| {
                        engine.run_procedure(&sql, variables)
                    })
                }
                Err(error) => {
                    let reply = self.engine.fail(error);
                    self.answer(&reply, Ending::Procedure)
                }
            },
            kind::BULK => self.bulk(&message.body),
            kind::TRANSACTION => self.manage(&mut from).map_err(|broken| invalid(&broken))?,
            kind::ATTENTION => {
                self.engine.bulk = None;
                let mut answer = Answer::default();
                answer.done(0xFD, ATTENTION, 0, 0);
                self.wire.write(kind::RESULT, &answer.bytes)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Runs something with the fault that is due for its text.
    fn faulty(
        &mut self,
        text: &str,
        ending: Ending,
        work: impl FnOnce(&mut Engine) -> Reply,
    ) -> Goes {
        let fault = self.shared.faults.due(text);
        if let (None, Some(lines)) = (&fault, self.shared.taught(text)) {
            return self.answer(&crate::engine::lines(lines), ending);
        }
        let announces_bulk = text
            .trim_start()
            .get(..11)
            .is_some_and(|opening| opening.eq_ignore_ascii_case("INSERT BULK"));
        let reply = match fault {
            Some(Fault::CutBefore) => return Ok(false),
            Some(Fault::CutAfter | Fault::CutInBulk) if announces_bulk => {
                self.bulk_fault = fault;
                work(&mut self.engine)
            }
            Some(Fault::CutAfter) => {
                work(&mut self.engine);
                return Ok(false);
            }
            Some(Fault::Delay(time)) => {
                pause(time, &self.shared.stopping);
                work(&mut self.engine)
            }
            Some(Fault::CutInBulk) | None => work(&mut self.engine),
            Some(ref error @ Fault::Error { .. }) => match error.error() {
                Some(error) => self.engine.fail(error),
                None => work(&mut self.engine),
            },
        };
        self.answer(&reply, ending)
    }

    fn answer(&mut self, reply: &Reply, ending: Ending) -> Goes {
        if reply.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Began)) {
            self.transaction = self.shared.next_transaction();
        }
        let answer = Answer::of(reply, ending, self.transaction);
        self.wire.write(kind::RESULT, &answer.bytes)?;
        Ok(true)
    }

    fn bulk(&mut self, data: &[u8]) -> Goes {
        let reply = self.engine.run_one(|engine| engine.load(data));
        if self.bulk_fault.take() == Some(Fault::CutAfter) {
            return Ok(false);
        }
        self.answer(&reply, Ending::Batch)
    }

    /// Requests of the transaction manager (MS-TDS 2.2.6.9).
    fn manage(&mut self, from: &mut Reader<'_>) -> Result<Goes, Broken> {
        from.skip_headers()?;
        let request = from.u16()?;
        if request == 5 {
            from.u8()?;
        }
        let name = from.b_varchar()?;
        let name = (!name.is_empty()).then_some(name);
        let text = match request {
            5 => "BEGIN TRANSACTION",
            7 => "COMMIT TRANSACTION",
            8 => "ROLLBACK TRANSACTION",
            9 => "SAVE TRANSACTION",
            other => return Err(Broken(format!("transaction manager request {other}"))),
        };
        let work = move |engine: &mut Engine| {
            engine.run_one(|engine| match request {
                5 => engine.begin(name.as_deref()),
                7 => engine.commit(),
                8 => engine.rollback(name.as_deref()),
                _ => engine.savepoint(name.as_deref().unwrap_or("save")),
            })
        };
        Ok(self.faulty(text, Ending::Batch, work))
    }
}

/// `sp_executesql`: its statement, and its parameters under their names.
fn procedure(from: &mut Reader<'_>) -> Result<(String, Variables), SqlError> {
    from.skip_headers()?;
    let length = from.u16()?;
    let name = match length {
        0xFFFF => from.u16()?.to_string(),
        units => utf16(from.bytes(usize::from(units) * 2)?),
    };
    if name != EXECUTE_SQL.to_string() && !name.eq_ignore_ascii_case("sp_executesql") {
        return Err(SqlError::new(2812, 16, format!("Could not find stored procedure '{name}'.")));
    }
    from.u16()?;
    let mut parameters = Vec::new();
    while !from.is_empty() {
        let name = from.b_varchar()?.to_ascii_uppercase();
        from.u8()?;
        let wire = WireType::read(from)?;
        let value = values::read(from, wire)?;
        parameters.push((name, wire.ty, value));
    }
    if parameters.len() > MOST_PARAMETERS {
        let message = "The incoming request has too many parameters. The server supports a maximum of \
             2100 parameters. Reduce the number of parameters and resend the request.";
        return Err(SqlError::new(8003, 16, message));
    }
    let mut parameters = parameters.into_iter();
    let sql = parameters.next().map(|(_, _, value)| values::text(&value)).unwrap_or_default();
    // A NULL carries no type on the wire; its declaration does.
    let declared = parameters.next().map(|(_, _, value)| values::text(&value)).unwrap_or_default();
    let declared = declarations(&declared);
    let typed = parameters.map(|(name, ty, value)| {
        let ty = declared.iter().find(|(of, _)| *of == name).map_or(ty, |(_, ty)| *ty);
        (name, (ty, value))
    });
    Ok((sql, typed.collect()))
}

fn declarations(text: &str) -> Vec<(String, crate::types::SqlType)> {
    let Ok(tokens) = crate::lexer::tokens(text) else { return Vec::new() };
    let one = |part: &[crate::lexer::Token]| {
        let name = part.first()?;
        let (ty, _) = crate::syntax::sql_type(&part[1..]).ok()?;
        match &name.kind {
            crate::lexer::Kind::Variable(name) => Some((name.clone(), ty)),
            _ => None,
        }
    };
    crate::lexer::by_commas(&tokens).into_iter().filter_map(one).collect()
}
