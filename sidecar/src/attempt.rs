//! The only loop: tries a plan in order, within one deadline, until somebody answers.
//!
//! Before its first content a stream, and before its JSON is whole a unary answer, can still go to another candidate;
//! after that never. Both modes share the loop; streaming is a property of the answer. Who comes next is `pursuit`'s to
//! say, one attempt is in `trial`; this waits for them, for two at once where a route hedges.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lotse_crds::plan::{Attempt, Plan};
use lotse_crds::snapshot::Route;

use crate::bill::{self, Bill};
use crate::call::Call;
use crate::endpoint;
use crate::failure::{AttemptError, AttemptNote, Failure};
use crate::health::Outcome;
use crate::lane::Lane;
use crate::moment;
use crate::outgoing::{Outgoing, Unfit, Writing, requires_all};
use crate::pursuit::{Pursuit, Step};
use crate::quota::Entered;
use crate::record::Record;
use crate::routes::Remembered;
use crate::session::Session;
use crate::sticky::Who;
use crate::table::Table;
use crate::trial::{Clock, End, Trial};

mod answered;
mod flight;
mod unfit;

pub use answered::{Answer, Answered, Begun};
use flight::Flight;
use unfit::nobody_fits;

/// Tries the plan's candidates until one answers.
pub async fn run(
    call: &Call,
    (table, plan): (&Table, &Plan<'_>),
    session: Option<Session<'_>>,
    record: &mut Record,
) -> Result<Answered, Failure> {
    let Some(first) = plan.attempts.first() else { return Err(Failure::NoEligibleProvider(Vec::new())) };
    let remembered = table.remembered(first.route);
    remembered.begins(call.is_repeated);
    let now = moment::instant();
    let total = Duration::from_secs(u64::try_from(first.route.timeouts.total_seconds).unwrap_or(0));
    let id = record.request_id.clone();
    let mut run = Run {
        call,
        table,
        plan,
        session,
        remembered,
        id: &id,
        deadline: now + total,
        pursuit: Pursuit::new(plan, now + total),
        writing: None,
        flights: Vec::new(),
        waits: Vec::new(),
        unfit: Vec::new(),
        bills: Vec::new(),
        turned_away: None,
        refusal: None,
        is_out_of_retries: false,
    };
    let ended = run.until_answered(record).await;
    // Who refuses has answered, though those who were asked after it have not in time.
    match (ended, run.refusal.take()) {
        (Err(Failure::DeadlineExceeded), Some(refusal)) => Ok(refusal),
        (ended, _) => ended,
    }
}

/// One call on its way.
struct Run<'a> {
    call: &'a Call,
    table: &'a Table,
    plan: &'a Plan<'a>,
    session: Option<Session<'a>>,
    remembered: &'a Remembered,
    id: &'a str,
    deadline: std::time::Instant,
    pursuit: Pursuit<'a>,
    /// What is read once of the call, for the route that is tried now.
    writing: Option<(&'a Route, Writing<'a>)>,
    /// One, or two while it hedges.
    flights: Vec<Flight<'a>>,
    waits: Vec<Duration>,
    unfit: Vec<(&'a Arc<Lane>, Unfit)>,
    /// The accounts with the routes, by stage: one that is closed takes no call.
    bills: Vec<(usize, Option<Bill>)>,
    /// Why the first route that takes no call takes none.
    turned_away: Option<Failure>,
    /// What was refused as the caller's fault, while others may yet answer.
    refusal: Option<Answered>,
    is_out_of_retries: bool,
}

impl<'a> Run<'a> {
    async fn until_answered(&mut self, record: &mut Record) -> Result<Answered, Failure> {
        let mut may_hedge = true;
        loop {
            if self.flights.is_empty() && !self.launch(record)? {
                return self.spent(record.attempts());
            }
            let hedge = if may_hedge && self.flights.len() == 1 { self.hedge_after() } else { None };
            match self.next(hedge).await {
                None => {
                    may_hedge = false;
                    self.launch(record)?;
                }
                Some((at, ended)) => {
                    let flight = self.flights.swap_remove(at);
                    if let Some(answered) = self.land(flight, ended, record)? {
                        return Ok(answered);
                    }
                }
            }
        }
    }

    /// Asks the next candidate that can be asked. Whether there is one.
    fn launch(&mut self, record: &mut Record) -> Result<bool, Failure> {
        loop {
            let attempt = match self.pursuit.step(moment::instant()) {
                Step::Try(attempt) => attempt,
                Step::Late if self.flights.is_empty() => return Err(Failure::DeadlineExceeded),
                Step::Late | Step::Spent => return Ok(false),
            };
            if !self.is_taken(attempt) {
                continue;
            }
            let lane = self.table.lane(attempt.permitted);
            let outgoing = match self.write(attempt, lane) {
                Ok(outgoing) => outgoing,
                // What one can't even read, another may answer.
                Err(why) => {
                    self.unfit.push((lane, why));
                    continue;
                }
            };
            let entered = match lane.enter() {
                Ok(entered) => entered,
                Err(wait) => {
                    self.waits.push(wait.after);
                    self.unfit.push((lane, Unfit::Limited));
                    continue;
                }
            };
            if !self.pursuit.is_first() && !self.remembered.takes_retry() {
                self.is_out_of_retries = true;
                entered.into_iter().for_each(Entered::withdraw);
                return Ok(false);
            }
            self.pursuit.begins();
            lane.begins();
            record.tries(lane);
            let clock = Clock::new(self.deadline.into(), &attempt.route.timeouts);
            let (call, request_id, permitted) = (self.call, self.id, attempt.permitted);
            let trial = Trial { call, lane, route: attempt.route, permitted, clock, request_id };
            let trial = Box::pin(async move { trial.run(outgoing).await });
            self.flights.push(Flight { attempt, lane, trial, entered, is_noted: false });
            return Ok(true);
        }
    }

    /// Whether the attempt's route takes this call: as long as its budget and limits reach.
    fn is_taken(&mut self, attempt: &Attempt<'_>) -> bool {
        if let Some((_, bill)) = self.bills.iter().find(|(stage, _)| *stage == attempt.stage) {
            return bill.is_some();
        }
        let bill = match self.table.bill(attempt.route) {
            Ok(bill) => Some(bill),
            Err(failure) => {
                self.turned_away.get_or_insert(failure);
                None
            }
        };
        let is_taken = bill.is_some();
        self.bills.push((attempt.stage, bill));
        is_taken
    }

    /// The accounts of the call, now that it is known who answers.
    fn settle(&mut self, flight: &mut Flight<'_>) -> Bill {
        let own = self.bills.iter_mut().find(|(stage, _)| *stage == flight.attempt.stage);
        let mut bill = own.and_then(|(_, bill)| bill.take()).unwrap_or_default();
        bill.add(flight.entered.take());
        bill
    }

    /// Whether what the call takes is charged by tokens. Of sound and pictures only the provider knows how many they are.
    fn is_charged(&self, attempt: &Attempt<'_>) -> bool {
        endpoint::format(self.call.operation).is_some()
            && bill::counts_tokens(attempt.route, attempt.permitted.candidate())
    }

    fn write(&mut self, attempt: &'a Attempt<'a>, lane: &Lane) -> Result<Outgoing, Unfit> {
        let is_alone = self.plan.attempts.len() == 1;
        let route = attempt.route;
        if !matches!(&self.writing, Some((last, _)) if std::ptr::eq(*last, route)) {
            let names = (self.id, moment::now().as_second());
            self.writing = Some((route, Writing::new(self.call, route, names, is_alone)));
        }
        match &mut self.writing {
            Some((_, writing)) => writing.write(attempt.permitted, lane),
            None => Err(Unfit::Operation),
        }
    }

    /// When somebody is asked beside the flight that is under way, if the route wants that and there is somebody.
    fn hedge_after(&self) -> Option<Duration> {
        let route = self.flights.first()?.attempt.route;
        let after = route.hedge_after_milliseconds.filter(|_| self.pursuit.has_more())?;
        Some(Duration::from_millis(u64::try_from(after).unwrap_or(0)))
    }

    /// The flight that ends next, by its place, and how; nothing when it is time to ask somebody beside.
    async fn next(&mut self, hedge: Option<Duration>) -> Option<(usize, Result<Answered, End>)> {
        let flights = &mut self.flights;
        let mut hedge = hedge.map(|after| Box::pin(tokio::time::sleep(after)));
        poll_fn(|cx| {
            for (at, flight) in flights.iter_mut().enumerate() {
                if let Poll::Ready(ended) = flight.trial.as_mut().poll(cx) {
                    return Poll::Ready(Some((at, ended)));
                }
            }
            match &mut hedge {
                Some(hedge) => hedge.as_mut().poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// A flight has ended: the call with it, or somebody else is asked.
    fn land(
        &mut self,
        mut flight: Flight<'a>,
        ended: Result<Answered, End>,
        record: &mut Record,
    ) -> Result<Option<Answered>, Failure> {
        let lane = flight.lane;
        match ended {
            Ok(answered) => {
                if let Answer::Refusal(status, _, class) = &answered.answer {
                    let goes_on = self.pursuit.goes_on(flight.attempt, *class);
                    if !goes_on {
                        self.pursuit.ends();
                    }
                    // Whoever is asked beside may answer all the same.
                    if goes_on || !self.flights.is_empty() {
                        flight.note(Outcome::Answered);
                        record.fails(lane, lane.note_refused(*status, *class));
                        self.refusal = Some(answered);
                        return Ok(None);
                    }
                }
                // A stream is judged when it ends, by whoever passes it on.
                if matches!(answered.answer, Answer::Stream(_)) {
                    flight.is_noted = true;
                } else {
                    flight.note(Outcome::Answered);
                }
                let mut bill = self.settle(&mut flight);
                if !answered.answer.is_counted() && self.is_charged(flight.attempt) {
                    bill.asks(self.call.prompt_tokens());
                }
                record.answers(lane, &flight.attempt.route.name, bill);
                self.remember(flight.attempt, lane);
                // Who was asked beside is cut off.
                self.flights.clear();
                Ok(Some(answered))
            }
            Err(End::Deadline) => {
                let error = AttemptError::Timeout("sent nothing");
                // Who was asked late, since others took the time, had no chance.
                let had_all = record.attempts().is_empty();
                flight.note(if had_all { error.outcome() } else { Outcome::Nothing });
                record.fails(lane, lane.note_of(&error));
                Err(Failure::DeadlineExceeded)
            }
            Err(End::Next(error)) => {
                flight.note(error.outcome());
                lane.heed(&error);
                record.fails(lane, lane.note_of(&error));
                self.waits.extend(error.wait());
                self.forget();
                Ok(None)
            }
        }
    }

    /// Who answers the session now.
    fn remember(&self, attempt: &Attempt<'_>, lane: &Lane) {
        let Some(Session { remembered, key }) = self.session else { return };
        let idle = Duration::from_secs(u64::try_from(attempt.route.stickiness.idle_seconds).unwrap_or(0));
        let who = Who { provider: lane.name.clone(), model: lane.model.clone() };
        remembered.sticky().answered(key, who, (moment::instant(), idle));
    }

    /// Whoever answered the session before may be who has failed.
    fn forget(&self) {
        if let Some(Session { remembered, key }) = self.session {
            remembered.sticky().failed(key);
        }
    }

    /// Why a plan that is spent has no answer: what was the caller's fault goes back to the caller; when all ask to wait, so does
    /// the answer, for the shortest time.
    fn spent(&mut self, attempts: &[AttemptNote]) -> Result<Answered, Failure> {
        if let Some(refusal) = self.refusal.take() {
            return Ok(refusal);
        }
        if attempts.is_empty() {
            // Nobody was asked: the call counts on no account.
            self.bills.drain(..).filter_map(|(_, bill)| bill).for_each(Bill::withdraw);
        }
        let are_limited = attempts.iter().all(|note| note.code == "rate_limited");
        match (attempts.is_empty(), self.turned_away.take()) {
            (true, Some(failure)) => return Err(failure),
            (true, None) if self.waits.is_empty() => {
                let first = self.plan.attempts.first();
                let requires_all = first.is_some_and(|first| requires_all(self.call, first.route));
                return Err(nobody_fits(std::mem::take(&mut self.unfit), requires_all));
            }
            (true | false, _) if are_limited => {
                return Err(Failure::RateLimited { wait: self.waits.iter().copied().min() });
            }
            (true | false, _) => {}
        }
        Err(if self.is_out_of_retries { Failure::RetriesSpent } else { Failure::AllProvidersFailed })
    }
}
