//! What several writers on one placement can never bring about, in whatever order they act, look late, lose races and die.

mod moves;

use std::collections::{BTreeMap, BTreeSet};

use foxhold_core::{NodeId, OpId};
use foxhold_ports::assignments::{NodeChange, Target, choice};
use proptest::prelude::*;

use self::moves::{Flag, Move, Whither, moves, nodes, other_pool};
use super::{NEW, limited, me, placement};
use crate::placement::{
    returns::Return,
    rules::{self, Draw, Holding, Holdings, Pick, Seeker, Telling, Wanted, Where},
    state::{LeaseId, Placement, WriterId},
};

/// A writer: what it knows, and what only it knows.
struct Player {
    id: WriterId,
    state: Placement,
    /// Slots used, and how many of them are still in work.
    held: BTreeMap<LeaseId, (u64, u64)>,
    /// Slots that came back since they were spent: they are not among those any more.
    freed: BTreeMap<LeaseId, u64>,
    /// Of those in work, how many are for new users.
    new_in_work: BTreeMap<LeaseId, u64>,
    recalled: bool,
}

/// The store and all that happened.
struct Game {
    state: Placement,
    players: Vec<Player>,
    /// Slots that were spent, by lease.
    spent: BTreeMap<LeaseId, u64>,
    /// Records: the node, and the lease its slot was spent from.
    records: Vec<(NodeId, Option<LeaseId>)>,
    forgotten: u64,
    leases: u8,
    writers: u8,
    /// Slots that were given to new users, unless nothing came of it.
    new_users: u64,
    /// How many of them there may be; `None` = any number.
    new_users_max: Option<u64>,
    /// The most leases and writers there ever were at once.
    peak: (usize, usize),
}

impl Game {
    fn new(nodes: &[(u64, u64, u64)], players: u8, user_limit: Option<u64>) -> Self {
        let mut state = placement(nodes);
        let there: u64 = nodes.iter().map(|(load, ..)| load).sum();
        if let Some(users) = user_limit {
            state = limited(state, users);
        }
        let loads = state
            .nodes
            .iter()
            .map(|(id, node)| (*id, node.figures.current_load));
        let records = loads
            .flat_map(|(id, load)| (0..load).map(move |_| (id, None)))
            .collect();
        let mut game = Self {
            state,
            players: vec![],
            spent: BTreeMap::new(),
            records,
            forgotten: 0,
            leases: 0,
            writers: 0,
            new_users: 0,
            new_users_max: user_limit.map(|users| users.saturating_sub(there)),
            peak: (0, 0),
        };
        if game.state.nodes.len() > 1 {
            game.change(1, Flag::Pool);
        }
        for _ in 0..players {
            let player = game.newcomer();
            game.players.push(player);
        }
        game
    }

    fn newcomer(&mut self) -> Player {
        self.writers += 1;
        Player {
            id: WriterId([self.writers; 16]),
            state: self.state.clone(),
            held: BTreeMap::new(),
            freed: BTreeMap::new(),
            new_in_work: BTreeMap::new(),
            recalled: false,
        }
    }

    /// The condition of every write: the version is the one the writer has seen.
    fn write(&mut self, before: &Placement, mut after: Placement) -> bool {
        if self.state.version != before.version {
            return false;
        }
        after.version = Some(before.version.unwrap_or(0) + 1);
        self.state = after;
        true
    }

    fn play(&mut self, who: usize, what: Move) {
        let who = who % self.players.len();
        match what {
            Move::Look => self.look(who),
            Move::Assign(seeker, whither) => self.assign(who, seeker, whither),
            Move::Change(node, flag) => self.change(node, flag),
            Move::EndWork { spent } => self.end_work(who, spent),
            Move::Tend => self.tend(who),
            Move::Recalled => self.players[who].recalled = true,
            Move::Die => self.die(who),
            Move::Forget(which) => self.forget(which),
        }
        self.check();
    }

    fn look(&mut self, who: usize) {
        let state = self.state.clone();
        let player = &mut self.players[who];
        player.state = state;
        let own: Vec<_> = player.state.of(player.id).map(|(_, lease)| lease).collect();
        let ids: BTreeSet<_> = own.iter().map(|lease| lease.id).collect();
        player.held.retain(|id, _| ids.contains(id));
        for lease in own {
            let freed = player.freed.insert(lease.id, lease.freed).unwrap_or(0);
            player.held.entry(lease.id).or_default().0 -= lease.freed - freed;
        }
    }

    /// The slot comes back at once, and never a second time.
    fn forget(&mut self, which: usize) {
        if self.records.is_empty() {
            return;
        }
        let (node, lease) = self.records.swap_remove(which % self.records.len());
        self.forgotten += 1;
        let op = OpId::from_bytes(u128::from(self.forgotten).to_be_bytes());
        let since = self.state.returns.count();
        let slot = Return { node, lease, since };
        let state = self.state.clone();
        let mut after = state.clone();
        assert!(rules::come_back(&mut after, op, &slot), "it has not come back");
        assert!(self.write(&state, after));
        let mut again = self.state.clone();
        assert!(!rules::come_back(&mut again, op, &slot));
    }

    fn users_on(&self, node: NodeId) -> u64 {
        self.records.iter().filter(|(on, _)| *on == node).count() as u64
    }

    fn holdings(&self, who: usize) -> Holdings {
        let player = &self.players[who];
        let holding = |(used, in_work): &(u64, u64)| Holding {
            used: *used,
            settled: *in_work == 0,
            to_return: player.recalled,
            ..Holding::default()
        };
        player
            .held
            .iter()
            .map(|(id, held)| (*id, holding(held)))
            .collect()
    }

    /// One of the nodes, by a number of any size, with its URL.
    fn node(&self, number: usize) -> (NodeId, String) {
        let nodes = &self.state.nodes;
        let (id, node) = nodes.iter().nth(number % nodes.len()).expect("there are nodes");
        (*id, node.url.clone())
    }

    fn change(&mut self, node: usize, flag: Flag) {
        let (id, url) = self.node(node);
        let node = &self.state.nodes[&id];
        let mut change = NodeChange::default();
        match flag {
            Flag::Downed => change.downed = Some(!node.figures.downed),
            Flag::Backoff => change.backoff = Some(!node.figures.backoff),
            Flag::Unhealthy => change.unhealthy = Some(!node.figures.unhealthy),
            Flag::Pool => change.pool = Some(other_pool().filter(|_| node.pool.is_none())),
        }
        let state = self.state.clone();
        let after = rules::update_node(&state, &url, &change).expect("there is such a node");
        assert!(self.write(&state, after));
    }

    fn assign(&mut self, who: usize, seeker: Seeker, whither: Whither) {
        let (mut target, mut exactly) = (Target::DEFAULT, None);
        match whither {
            Whither::DefaultPool => {}
            Whither::OtherPool => target = Target::Pool(other_pool()),
            Whither::Node(node) => target = Target::Node(self.node(node).1),
            Whither::Exactly(node) => exactly = Some(self.node(node).0),
        }
        let (seeker, place) = match exactly {
            Some(node) => (Seeker::Known, Where::Exactly(node)),
            None => (seeker, Where::Rule(&target)),
        };
        self.seek(who, Wanted { seeker, place });
    }

    /// Whether somebody may be put on a node, by what a player knows.
    fn may_go(state: &Placement, id: NodeId, wanted: Wanted<'_>) -> bool {
        let node = &state.nodes[&id];
        let figures = &node.figures;
        match wanted.place {
            Where::Exactly(exactly) => exactly == id,
            Where::Rule(target) => {
                let takes_users = !figures.backoff || matches!(target, Target::Node(_));
                target.includes(&node.url, node.pool.as_ref()) && takes_users && !choice::is_out(figures)
            }
        }
    }

    /// Nobody is refused while there is room for him that nobody holds.
    fn check_refusal(&self, who: usize, wanted: Wanted<'_>) {
        let (held, id) = (self.holdings(who), self.players[who].id);
        if rules::pick(&self.state, id, &held, wanted) != Pick::Full {
            return;
        }
        for (id, node) in &self.state.nodes {
            let promised = node.figures.current_load + self.state.leased(*id);
            let has_room = promised < node.figures.capacity;
            assert!(!has_room || !Self::may_go(&self.state, *id, wanted), "{id:?}");
        }
    }

    fn seek(&mut self, who: usize, wanted: Wanted<'_>) {
        let held = self.holdings(who);
        let seeker = wanted.seeker;
        let (state, id) = (self.players[who].state.clone(), self.players[who].id);
        match rules::pick(&state, id, &held, wanted) {
            Pick::Spend(lease) => {
                let (_, known) = state.of(id).find(|(_, known)| known.id == lease).unwrap();
                assert!(Self::may_go(&state, known.node, wanted), "{wanted:?} {known:?}");
                let entry = self.players[who].held.entry(lease).or_default();
                *entry = (entry.0 + 1, entry.1 + 1);
                assert!(entry.0 <= known.size, "{known:?}");
                if seeker == Seeker::New {
                    *self.players[who].new_in_work.entry(lease).or_default() += 1;
                    self.new_users += 1;
                }
            }
            Pick::Draw(node, releases) => {
                assert!(Self::may_go(&state, node, wanted), "{wanted:?} {node:?}");
                for (released, _) in &releases {
                    let pool = |id: &NodeId| state.nodes[id].pool.as_ref();
                    assert_eq!(pool(released), pool(&node), "other pools release nothing");
                }
                self.leases += 1;
                self.players[who].recalled |= rules::hands_back_first(&state, seeker);
                let lease = Draw {
                    node,
                    releases: &releases,
                    id: LeaseId([self.leases; 16]),
                    seeker,
                };
                let after = rules::draw(&state, me(id), &self.holdings(who), lease);
                let after = after.expect("a node that is picked has a slot");
                if self.write(&state, after) {
                    self.players[who].recalled = false;
                }
                self.look(who);
            }
            Pick::Others | Pick::Full => {
                self.look(who);
                self.check_refusal(who, wanted);
            }
            Pick::Closed => {
                assert_eq!(seeker, Seeker::New, "users with a record are never refused");
                self.look(who);
            }
        }
    }

    fn end_work(&mut self, who: usize, spent: bool) {
        let state = &self.state;
        let player = &mut self.players[who];
        let Some((lease, held)) = player.held.iter_mut().find(|(_, (_, in_work))| *in_work > 0) else {
            return;
        };
        held.1 -= 1;
        let new = player.new_in_work.get_mut(lease).filter(|number| **number > 0);
        let was_new = new.map(|number| *number -= 1).is_some();
        if was_new && !spent {
            self.new_users -= 1;
        }
        if spent {
            let node = state
                .of(player.id)
                .find(|(_, known)| known.id == *lease)
                .map(|(_, known)| known.node);
            let node = node.expect("nobody ends the lease of the living");
            *self.spent.entry(*lease).or_default() += 1;
            self.records.push((node, Some(*lease)));
        } else {
            held.0 -= 1;
        }
    }

    fn tend(&mut self, who: usize) {
        let held = self.holdings(who);
        let (state, id) = (self.players[who].state.clone(), self.players[who].id);
        let after = rules::tend(&state, me(id), &held, Telling::All);
        if self.write(&state, after) {
            self.players[who].recalled = false;
        }
        self.look(who);
    }

    /// A writer dies; another counts what it spent, ends its leases, and a new one comes.
    fn die(&mut self, who: usize) {
        let newcomer = self.newcomer();
        let dead = std::mem::replace(&mut self.players[who], newcomer);
        self.new_users -= dead.new_in_work.values().sum::<u64>();
        let spent: BTreeMap<_, _> = self
            .state
            .of(dead.id)
            .map(|(_, lease)| (lease.id, self.spent.get(&lease.id).copied().unwrap_or(0)))
            .collect();
        let state = self.state.clone();
        if let Some(sign) = state.sign(dead.id) {
            let after = rules::bury(&state, dead.id, sign, &spent).expect("all is counted");
            assert!(self.write(&state, after));
        }
    }

    fn check(&mut self) {
        // Whoever is forgotten makes room for another.
        assert!(
            self.new_users_max
                .is_none_or(|most| self.new_users <= most + self.forgotten),
            "{} new users",
            self.new_users
        );
        let (leases, writers) = (&self.state.leases, &self.state.writers);
        self.peak.0 = self.peak.0.max(leases.values().count());
        self.peak.1 = self.peak.1.max(writers.values().count());
        let rows = (leases.count(), writers.count());
        assert_eq!(rows, self.peak, "rows are used again, and none is lost");
        for (id, node) in &self.state.nodes {
            let figures = node.figures;
            let promised = figures.current_load + figures.available + self.state.leased(*id);
            assert!(
                promised <= figures.capacity,
                "{id:?} {figures:?} {:?}",
                self.state.leases
            );
            assert!(self.users_on(*id) <= figures.capacity, "{id:?}");
        }
        for player in &self.players {
            for (_, lease) in self.state.of(player.id) {
                let used = player.held.get(&lease.id).map_or(0, |(used, _)| *used);
                let seen = player.freed.get(&lease.id).copied().unwrap_or(0);
                assert!(used - (lease.freed - seen) <= lease.size, "{lease:?}");
            }
        }
    }

    /// All writers end their work and go.
    fn end(mut self) {
        for who in 0..self.players.len() {
            while self.players[who].held.values().any(|(_, in_work)| *in_work > 0) {
                self.end_work(who, true);
            }
            self.look(who);
            self.players[who].recalled = true;
            let (state, held) = (self.state.clone(), self.holdings(who));
            let after = rules::leave(&state, me(self.players[who].id), &held);
            assert!(self.write(&state, after));
            self.check();
        }
        assert!(self.state.leases.is_empty() && self.state.writers.is_empty());
        for (id, node) in &self.state.nodes {
            assert_eq!(node.figures.current_load, self.users_on(*id), "{id:?}");
        }
        // Now that nobody holds anything, what is said of a new user is exact.
        let users = self.records.len() as u64;
        let said = rules::pick(&self.state, WriterId([255; 16]), &Holdings::new(), NEW);
        let limit = self
            .state
            .service
            .expect("there is a service")
            .policy
            .admission
            .user_limit();
        assert_eq!(said == Pick::Closed, limit.is_some_and(|limit| users >= limit));
        assert_ne!(said, Pick::Others);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_overfills_a_node_or_loses_a_slot(
        nodes in nodes(),
        events in proptest::collection::vec((0_usize..3, moves()), 0..200),
    ) {
        let mut game = Game::new(&nodes, 3, None);
        for (who, what) in events {
            game.play(who, what);
        }
        game.end();
    }

    #[test]
    fn no_order_of_events_lets_more_new_users_in_than_may_be(
        nodes in nodes(),
        user_limit in 0_u64..80,
        events in proptest::collection::vec((0_usize..3, moves()), 0..200),
    ) {
        let mut game = Game::new(&nodes, 3, Some(user_limit));
        for (who, what) in events {
            game.play(who, what);
        }
        game.end();
    }
}
