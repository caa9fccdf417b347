//! API calls that are being carried out, over as many cores as they take.
//!
//! A job is one request: one command, or a batch of them. Its commands run one after another or all at once; a command
//! is a list of posts or a question to all cores. Whatever is done on this core is done at once, so a job that
//! touches no other core never waits and is never stored.

use super::{Message, Shard};
use crate::api::batch::Batch;
use crate::api::{self, Answer as CoreAnswer, ApiError, ErrorMode, Method, Outcome, Plan, Post, Question, info};
use crate::clock::Mono;
use crate::id::{Core, Slot, Ticket};
use crate::limits;
use crate::proto::api::{Command, PublishResponse, PublishResult};
use crate::transport::Answer;
use crate::transport::api::{Call, Work, answer, answer_batch};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// What a call has become.
pub(super) enum Begun {
    /// It is answered.
    Done(Answer),
    /// It waits for other cores.
    Waits(Ticket),
}

/// One request that is being carried out.
struct Job {
    slot: Slot,
    shape: Shape,
    queue: VecDeque<Option<Command>>,
    is_parallel: bool,
    running: HashMap<usize, Running>,
    replies: Vec<Option<Outcome>>,
    deadline: Mono,
}

/// How the answer is put together.
enum Shape {
    Method(&'static Method, ErrorMode),
    Batch,
}

/// One command of a job.
enum Running {
    Publish {
        posts: std::iter::Enumerate<std::vec::IntoIter<Result<Post, ApiError>>>,
        responses: Vec<PublishResponse>,
        in_flight: usize,
        finish: fn(Vec<PublishResponse>) -> Outcome,
    },
    Gather {
        answers: Vec<CoreAnswer>,
        missing: usize,
    },
}

/// Where the answer to a ticket belongs.
struct Place {
    job: Ticket,
    command: usize,
    item: usize,
}

/// The jobs of one core.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: HashMap<Ticket, Job>,
    places: HashMap<Ticket, Place>,
    /// Jobs in the order of their deadlines (all have the same time).
    deadlines: VecDeque<(Mono, Ticket)>,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.front().map(|(at, _)| *at)
    }
}

impl Shard {
    /// Begins a call.
    pub(super) fn begin(&mut self, slot: Slot, call: Call) -> Begun {
        match call.work {
            Work::Method(method, command) => self.begin_method(slot, method, *command, call.mode),
            Work::Batch(batch) => self.begin_batch(slot, batch),
        }
    }

    /// A single method mostly needs no other core: then there is no job.
    fn begin_method(&mut self, slot: Slot, method: &'static Method, command: Command, mode: ErrorMode) -> Begun {
        self.counters.api_commands.add(1);
        let id = self.ticket();
        match self.run(id, 0, (method.plan)(command, &self.policy.rules)) {
            Ok(outcome) => {
                self.counters.api_errors.add(u64::from(outcome.error.is_some()));
                Begun::Done(answer(method, &outcome, mode))
            }
            Err(running) => {
                let mut job = self.job(slot, Shape::Method(method, mode), VecDeque::new(), false);
                job.replies.push(None);
                job.running.insert(0, running);
                self.keep(id, job)
            }
        }
    }

    fn begin_batch(&mut self, slot: Slot, batch: Batch) -> Begun {
        let id = self.ticket();
        let mut job = self.job(slot, Shape::Batch, batch.commands.into(), batch.is_parallel);
        self.advance(id, &mut job);
        if job.running.is_empty() {
            return Begun::Done(self.job_answer(job));
        }
        self.keep(id, job)
    }

    fn job(&self, slot: Slot, shape: Shape, queue: VecDeque<Option<Command>>, is_parallel: bool) -> Job {
        let deadline = self.now.mono + Duration::from_millis(limits::GATHER_TIMEOUT_MS);
        let replies = Vec::with_capacity(queue.len().max(1));
        Job { slot, shape, queue, is_parallel, running: HashMap::new(), replies, deadline }
    }

    fn keep(&mut self, id: Ticket, job: Job) -> Begun {
        self.jobs.deadlines.push_back((job.deadline, id));
        self.jobs.jobs.insert(id, job);
        Begun::Waits(id)
    }

    /// Starts commands until one has to be waited for (all of them when the batch is parallel).
    fn advance(&mut self, id: Ticket, job: &mut Job) {
        while job.running.len() < if job.is_parallel { limits::API_PARALLEL_MAX } else { 1 } {
            let Some(command) = job.queue.pop_front() else { return };
            let at = job.replies.len();
            job.replies.push(None);
            self.counters.api_commands.add(1);
            let plan = match command {
                Some(command) => api::plan_command(command, &self.policy.rules),
                None => Plan::Done(ApiError::BAD_REQUEST.outcome()),
            };
            match self.run(id, at, plan) {
                Ok(outcome) => job.replies[at] = Some(outcome),
                Err(running) => _ = job.running.insert(at, running),
            }
        }
    }

    /// Carries out a plan as far as this core can.
    fn run(&mut self, job: Ticket, command: usize, plan: Plan) -> Result<Outcome, Running> {
        match plan {
            Plan::Done(outcome) => Ok(outcome),
            Plan::Publish { posts, finish } => {
                let responses = vec![PublishResponse::default(); posts.len()];
                let posts = posts.into_iter().enumerate();
                let mut running = Running::Publish { posts, responses, in_flight: 0, finish };
                self.pump(job, command, &mut running);
                running.outcome(self)
            }
            Plan::Gather(question) => {
                let mut answers = vec![self.answer(question)];
                answers.reserve(self.shared.placement.cores());
                let mut missing = 0;
                let (from, cores) = (self.core, self.shared.placement.cores() as u16);
                for core in (0..cores).map(Core).filter(|core| *core != from) {
                    let ticket = self.ticket();
                    self.jobs.places.insert(ticket, Place { job, command, item: core.index() });
                    self.send(core, Message::Ask { question, from, ticket });
                    missing += 1;
                }
                Running::Gather { answers, missing }.outcome(self)
            }
        }
    }

    /// Hands out posts while not too many are in flight.
    fn pump(&mut self, job: Ticket, command: usize, running: &mut Running) {
        let Running::Publish { posts, responses, in_flight, .. } = running else { return };
        while *in_flight < limits::API_PARALLEL_MAX {
            let Some((item, post)) = posts.next() else { return };
            match post {
                Err(error) => responses[item].error = Some(error.message()),
                Ok(post) => {
                    responses[item].result = Some(PublishResult::default());
                    if let Some(ticket) = self.post(post) {
                        self.jobs.places.insert(ticket, Place { job, command, item });
                        *in_flight += 1;
                    }
                }
            }
        }
    }

    /// `Published` came back, for a call or for a client.
    pub(super) fn published(&mut self, ticket: Ticket) {
        if let Some(slot) = self.publishing.remove(&ticket) {
            self.client_published(slot);
            return self.check_stop();
        }
        self.job_step(ticket, |running, _| {
            if let Running::Publish { in_flight, .. } = running {
                *in_flight -= 1;
            }
        });
    }

    /// A core has answered.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: CoreAnswer) {
        self.job_step(ticket, |running, _| {
            if let Running::Gather { answers, missing } = running {
                answers.push(answer);
                *missing -= 1;
            }
        });
    }

    /// Takes note of one answer and goes on with its job. A late answer finds nothing.
    fn job_step(&mut self, ticket: Ticket, note: impl FnOnce(&mut Running, usize)) {
        let Some(place) = self.jobs.places.remove(&ticket) else { return };
        let Some(mut job) = self.jobs.jobs.remove(&place.job) else { return };
        if let Some(mut running) = job.running.remove(&place.command) {
            note(&mut running, place.item);
            self.pump(place.job, place.command, &mut running);
            match running.outcome(self) {
                Ok(outcome) => job.replies[place.command] = Some(outcome),
                Err(running) => _ = job.running.insert(place.command, running),
            }
        }
        self.advance(place.job, &mut job);
        if !job.running.is_empty() {
            self.jobs.jobs.insert(place.job, job);
            return;
        }
        // Deadlines of finished jobs are not kept until they pass.
        while self.jobs.deadlines.front().is_some_and(|(_, id)| !self.jobs.jobs.contains_key(id)) {
            self.jobs.deadlines.pop_front();
        }
        let slot = job.slot;
        let answer = self.job_answer(job);
        self.job_done(slot, place.job, &answer);
    }

    fn job_answer(&mut self, job: Job) -> Answer {
        let missing = || ApiError::INTERNAL.outcome();
        let replies: Vec<Outcome> = job.replies.into_iter().map(|reply| reply.unwrap_or_else(missing)).collect();
        self.counters.api_errors.add(replies.iter().filter(|reply| reply.error.is_some()).count() as u64);
        match job.shape {
            Shape::Method(method, mode) => answer(method, &replies.into_iter().next().unwrap_or_default(), mode),
            Shape::Batch => answer_batch(replies),
        }
    }

    /// Jobs that waited too long for another core end with error 100 where nothing was answered.
    pub(super) fn expire_jobs(&mut self) {
        while let Some((at, id)) = self.jobs.deadlines.front().copied() {
            if at > self.now.mono {
                return;
            }
            self.jobs.deadlines.pop_front();
            let Some(mut job) = self.jobs.jobs.remove(&id) else { continue };
            self.jobs.places.retain(|_, place| place.job != id);
            job.running.clear();
            let (slot, left) = (job.slot, job.queue.len());
            job.replies.extend((0..left).map(|_| None));
            let answer = self.job_answer(job);
            self.job_done(slot, id, &answer);
        }
    }

    /// This core's answer to a question.
    pub(super) fn answer(&mut self, question: Question) -> CoreAnswer {
        match question {
            Question::Info => CoreAnswer::Info(info::Share {
                clients: self.counters.clients.get() as u32,
                users: self.users.keys().map(|user| self.shared.placement.hash(user)).collect(),
                channels: self.table.len() as u32,
                subscriptions: self.registry.subscriptions() as u32,
            }),
        }
    }

    /// How long the process has been up.
    fn uptime_seconds(&self) -> u64 {
        self.now.mono.since(self.started).as_secs()
    }
}

impl Running {
    /// The outcome when nothing is missing, else the command itself.
    fn outcome(self, shard: &Shard) -> Result<Outcome, Running> {
        match self {
            Running::Publish { posts, responses, in_flight: 0, finish } if posts.len() == 0 => Ok(finish(responses)),
            Running::Gather { answers, missing: 0 } => {
                Ok(info::finish(&shard.shared.node, shard.uptime_seconds(), &answers))
            }
            other => Err(other),
        }
    }
}
