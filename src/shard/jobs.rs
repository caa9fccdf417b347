//! API calls that are being carried out, over as many cores as they take.
//!
//! A job is one request: one task, or a list of them. Its tasks run one after another or all at once; a task is a list
//! of posts, a question to the owner of a channel, or one to all cores. Whatever is done on this core is done at once, so a
//! job that touches no other core never waits and is never stored.

use super::acts::Asker;
use super::publications::Posted;
use super::{Message, Shard};
use crate::api::{self, Answer, ApiError, Outcome, Plan, Post, Question, Surroundings, broadcast, publish};
use crate::channel::Position;
use crate::channel::inquiry::Inquiry;
use crate::clock::Mono;
use crate::id::{Core, Slot, Ticket};
use crate::limits;
use crate::proto::api::PublishResponse;
use crate::tally::{Action, ApiProtocol};
use crate::transport::api::{Outcomes, Task, Work};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What a call has become.
#[allow(clippy::large_enum_variant)] // It lives on the stack for one call.
pub(super) enum Begun {
    /// It is done.
    Done(Outcomes),
    /// It waits for other cores.
    Waits(Ticket),
}

/// One request that is being carried out.
struct Job {
    slot: Slot,
    is_single: bool,
    queue: VecDeque<Task>,
    is_parallel: bool,
    running: HashMap<usize, Running>,
    replies: Vec<Option<Outcome>>,
    /// The method of each task that was begun, for the counters.
    methods: Vec<Option<usize>>,
    protocol: ApiProtocol,
    began: Mono,
    deadline: Mono,
}

/// One task of a job.
enum Running {
    Publish,
    Broadcast {
        posts: std::iter::Enumerate<std::vec::IntoIter<Result<Post, ApiError>>>,
        responses: Vec<PublishResponse>,
        in_flight: usize,
        /// Payloads came as octets, whatever they hold.
        are_octets: bool,
    },
    Owner,
    Gather {
        answers: Vec<Answer>,
        missing: usize,
        finish: fn(&Surroundings<'_>, Vec<Answer>) -> Outcome,
    },
}

/// Where the answer to a ticket belongs.
struct Place {
    job: Ticket,
    task: usize,
    item: usize,
}

/// The jobs of one core.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: HashMap<Ticket, Job>,
    places: HashMap<Ticket, Place>,
    /// Jobs in the order of their deadlines (all have the same time); one that made progress has a later one by now.
    deadlines: VecDeque<(Mono, Ticket)>,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    /// Panics when an answer is awaited for a job that is not there. For tests and the simulation.
    pub(super) fn check_invariants(&self) {
        for place in self.places.values() {
            let job = self.jobs.get(&place.job);
            assert!(job.is_some_and(|job| job.running.contains_key(&place.task)), "an answer without a task");
        }
        assert!(self.jobs.len() <= self.deadlines.len(), "every job has its deadline");
    }
}

impl Shard {
    /// Begins a call. A single task mostly needs no other core: then there is no job.
    pub(super) fn begin(&mut self, slot: Slot, work: Work, protocol: ApiProtocol) -> Begun {
        let id = self.ticket();
        match work {
            Work::One(method, plan) => match self.run(id, 0, plan, protocol) {
                Ok(outcome) => {
                    self.count_call(method.place(), protocol, self.now.mono, &outcome);
                    Begun::Done(Outcomes::One(outcome))
                }
                Err(running) => {
                    let mut job = self.job(slot, VecDeque::new(), protocol);
                    job.is_single = true;
                    job.replies.push(None);
                    job.methods.push(Some(method.place()));
                    job.running.insert(0, running);
                    self.keep_job(id, job)
                }
            },
            Work::Many { tasks, is_parallel } => {
                let mut job = self.job(slot, tasks.into(), protocol);
                job.is_parallel = is_parallel;
                self.advance(id, &mut job);
                if job.running.is_empty() {
                    return Begun::Done(self.outcomes(job));
                }
                self.keep_job(id, job)
            }
        }
    }

    fn job(&self, slot: Slot, queue: VecDeque<Task>, protocol: ApiProtocol) -> Job {
        let began = self.now.mono;
        Job {
            slot,
            is_single: false,
            replies: Vec::with_capacity(queue.len().max(1)),
            queue,
            is_parallel: false,
            running: HashMap::new(),
            methods: Vec::new(),
            protocol,
            began,
            deadline: began + Duration::from_millis(limits::GATHER_TIMEOUT_MS),
        }
    }

    fn count_call(&self, method: usize, protocol: ApiProtocol, began: Mono, outcome: &Outcome) {
        let code = outcome.error.as_ref().map(|error| error.code);
        self.counters.api.add(method, protocol, self.now.mono.since(began), code);
    }

    fn keep_job(&mut self, id: Ticket, job: Job) -> Begun {
        self.jobs.deadlines.push_back((job.deadline, id));
        self.jobs.jobs.insert(id, job);
        Begun::Waits(id)
    }

    /// Starts tasks until one has to be waited for (all of them when the list is parallel).
    fn advance(&mut self, id: Ticket, job: &mut Job) {
        while job.running.len() < if job.is_parallel { limits::API_PARALLEL_MAX } else { 1 } {
            let Some(task) = job.queue.pop_front() else { return };
            let at = job.replies.len();
            job.replies.push(None);
            job.methods.push(task.as_ref().ok().map(|(method, _)| method.place()));
            let plan = match task {
                Ok((_, plan)) => plan,
                Err(error) => Plan::Refused(error),
            };
            match self.run(id, at, plan, job.protocol) {
                Ok(outcome) => job.replies[at] = Some(outcome),
                Err(running) => _ = job.running.insert(at, running),
            }
        }
    }

    /// Carries out a plan as far as this core can.
    #[allow(clippy::result_large_err)] // Both sides live on the stack for one call.
    fn run(&mut self, job: Ticket, task: usize, plan: Plan, protocol: ApiProtocol) -> Result<Outcome, Running> {
        match plan {
            Plan::Refused(error) => Ok(error.outcome()),
            Plan::Publish(_) | Plan::Broadcast(_) if !self.takes_publications() => {
                Ok(ApiError::TOO_MANY_REQUESTS.outcome())
            }
            Plan::Publish(mut post) => {
                post.is_json &= protocol != ApiProtocol::Grpc;
                match self.post(post) {
                    Posted::Done(position) => Ok(publish::published(position)),
                    Posted::Waits(ticket) => {
                        self.jobs.places.insert(ticket, Place { job, task, item: 0 });
                        Err(Running::Publish)
                    }
                }
            }
            Plan::Broadcast(posts) => {
                let responses = vec![PublishResponse::default(); posts.len()];
                let posts = posts.into_iter().enumerate();
                let are_octets = protocol == ApiProtocol::Grpc;
                let mut running = Running::Broadcast { posts, responses, in_flight: 0, are_octets };
                self.pump(job, task, &mut running);
                running.outcome(self)
            }
            Plan::Owner(channel, question) => self.ask_owner(job, task, channel, question),
            Plan::Gather { question, finish } => {
                let running = self.gather(job, task, &question, finish);
                running.outcome(self)
            }
        }
    }

    #[allow(clippy::result_large_err)] // As above.
    fn ask_owner(
        &mut self,
        job: Ticket,
        task: usize,
        channel: Arc<str>,
        question: Inquiry,
    ) -> Result<Outcome, Running> {
        let owner = self.shared.placement.owner(&channel);
        if owner == self.core {
            return Ok(api::found(self.ask_owned(&channel, question)));
        }
        let (ticket, from) = (self.ticket(), self.core);
        self.jobs.places.insert(ticket, Place { job, task, item: 0 });
        self.send(owner, Message::AskOwner { channel, question, from, ticket });
        Err(Running::Owner)
    }

    fn gather(
        &mut self,
        job: Ticket,
        task: usize,
        question: &Question,
        finish: fn(&Surroundings<'_>, Vec<Answer>) -> Outcome,
    ) -> Running {
        self.counters.actions.add(Action::Survey);
        self.counters.controls_sent.add(self.shared.placement.cores() as u64 - 1);
        let (from, cores) = (self.core, self.shared.placement.cores());
        let (mut answers, mut missing) = (Vec::with_capacity(cores), 0);
        // The others first: they work while this core does.
        for core in (0..cores as u16).map(Core).filter(|core| *core != from) {
            let ticket = self.ticket();
            self.jobs.places.insert(ticket, Place { job, task, item: core.index() });
            self.send(core, Message::Ask { question: question.clone(), from, ticket });
            missing += 1;
        }
        let ticket = self.ticket();
        match self.asked(question.clone(), Asker { from, ticket }) {
            Some(answer) => answers.push(answer),
            None => {
                self.jobs.places.insert(ticket, Place { job, task, item: from.index() });
                missing += 1;
            }
        }
        Running::Gather { answers, missing, finish }
    }

    /// Hands out posts while not too many are in flight.
    fn pump(&mut self, job: Ticket, task: usize, running: &mut Running) {
        let Running::Broadcast { posts, responses, in_flight, are_octets } = running else { return };
        while *in_flight < limits::API_PARALLEL_MAX {
            let Some((item, post)) = posts.next() else { return };
            match post.map(|post| self.post(Post { is_json: post.is_json && !*are_octets, ..post })) {
                Err(error) => responses[item].error = Some(error.message()),
                Ok(Posted::Done(position)) => responses[item].result = Some(publish::result(position)),
                Ok(Posted::Waits(ticket)) => {
                    self.jobs.places.insert(ticket, Place { job, task, item });
                    *in_flight += 1;
                }
            }
        }
    }

    /// `Published` came back, for a call or for a client.
    pub(super) fn published(&mut self, ticket: Ticket, position: Option<Position>) {
        if let Some(slot) = self.publishing.remove(&ticket) {
            self.client_published(slot);
            return self.check_stop();
        }
        self.job_step(ticket, |running, item| match running {
            Running::Publish => Some(publish::published(position)),
            Running::Broadcast { in_flight, responses, .. } => {
                *in_flight -= 1;
                responses[item].result = Some(publish::result(position));
                None
            }
            _ => None,
        });
    }

    /// A core has answered.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(slot) = self.asking.remove(&ticket) {
            if let Answer::Found(finding) = answer {
                self.client_found(slot, *finding);
            }
            return self.check_stop();
        }
        self.job_step(ticket, |running, _| match (running, answer) {
            (Running::Owner, Answer::Found(finding)) => Some(api::found(*finding)),
            (Running::Gather { answers, missing, .. }, answer) => {
                answers.push(answer);
                *missing -= 1;
                None
            }
            _ => None,
        });
    }

    /// Takes note of one answer and goes on with its job. A late answer finds nothing.
    fn job_step(&mut self, ticket: Ticket, note: impl FnOnce(&mut Running, usize) -> Option<Outcome>) {
        let Some(place) = self.jobs.places.remove(&ticket) else { return };
        let Some(mut job) = self.jobs.jobs.remove(&place.job) else { return };
        if let Some(mut running) = job.running.remove(&place.task) {
            let outcome = note(&mut running, place.item);
            self.pump(place.job, place.task, &mut running);
            match outcome.map_or_else(|| running.outcome(self), Ok) {
                Ok(outcome) => job.replies[place.task] = Some(outcome),
                Err(running) => _ = job.running.insert(place.task, running),
            }
        }
        self.advance(place.job, &mut job);
        // The time counts for each answer, not for all that a long list of tasks needs.
        job.deadline = self.now.mono + Duration::from_millis(limits::GATHER_TIMEOUT_MS);
        if !job.running.is_empty() {
            self.jobs.jobs.insert(place.job, job);
            return;
        }
        // Deadlines of finished jobs are not kept until they pass.
        while self.jobs.deadlines.front().is_some_and(|(_, id)| !self.jobs.jobs.contains_key(id)) {
            self.jobs.deadlines.pop_front();
        }
        let slot = job.slot;
        let outcomes = self.outcomes(job);
        self.job_done(slot, place.job, outcomes);
    }

    fn outcomes(&mut self, job: Job) -> Outcomes {
        let missing = || ApiError::INTERNAL.outcome();
        let replies: Vec<Outcome> = job.replies.into_iter().map(|reply| reply.unwrap_or_else(missing)).collect();
        for (outcome, method) in replies.iter().zip(&job.methods) {
            if let Some(method) = method {
                self.count_call(*method, job.protocol, job.began, outcome);
            }
        }
        if job.is_single {
            return Outcomes::One(replies.into_iter().next().unwrap_or_else(missing));
        }
        Outcomes::Many(replies)
    }

    /// Jobs that waited too long for another core end with error 100 where nothing was answered.
    pub(super) fn expire_jobs(&mut self) {
        while let Some((at, id)) = self.jobs.deadlines.front().copied() {
            if at > self.now.mono {
                return;
            }
            self.jobs.deadlines.pop_front();
            let Some(mut job) = self.jobs.jobs.remove(&id) else { continue };
            if job.deadline > self.now.mono {
                self.jobs.deadlines.push_back((job.deadline, id));
                self.jobs.jobs.insert(id, job);
                continue;
            }
            self.jobs.places.retain(|_, place| place.job != id);
            job.running.clear();
            let (slot, left) = (job.slot, job.queue.len());
            job.replies.extend((0..left).map(|_| None));
            let outcomes = self.outcomes(job);
            self.job_done(slot, id, outcomes);
        }
    }

    /// How long the process has been up.
    fn uptime_seconds(&self) -> u64 {
        self.now.mono.since(self.started).as_secs()
    }
}

impl Running {
    /// The outcome when nothing is missing, else the task itself.
    #[allow(clippy::result_large_err)] // As above.
    fn outcome(self, shard: &Shard) -> Result<Outcome, Running> {
        match self {
            Running::Broadcast { posts, responses, in_flight: 0, .. } if posts.len() == 0 => {
                Ok(broadcast::broadcasted(responses))
            }
            Running::Gather { answers, missing: 0, finish } => {
                let around = Surroundings {
                    node: &shard.shared.node,
                    uptime_seconds: shard.uptime_seconds(),
                    figures: &shard.figures,
                    counters: &shard.shared.counters,
                };
                Ok(finish(&around, answers))
            }
            other => Err(other),
        }
    }
}
