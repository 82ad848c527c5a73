//! Going through every kind of trouble at every request: each round a question that is answered, or a post.

use sportello_core::domain::effect::EffectState;
use sportello_tests::stand_ins::Fault;
pub(crate) use sportello_tests::stand_ins::TROUBLES;

use crate::desk::Desk;
use crate::network::Network;

/// A desk that reads, answers and looks, and what it is to go through.
pub(crate) struct Trial<N> {
    desk: Desk<N>,
    rounds: u64,
}

impl<N: Network> Trial<N> {
    pub(crate) async fn begin() -> Self {
        let desk = Desk::<N>::soaking().await;
        if desk.network.times_asked().is_some() {
            // What is said before the host asks for the first time is none of its business.
            desk.deliver().await;
        }
        Self { desk, rounds: 0 }
    }

    /// Somebody asks and is answered once, though a request of this kind meets this trouble, and whatever else is needed for it to be made.
    pub(crate) async fn round(&mut self, call: &&[&str], trouble: Fault, then: impl Fn(&N)) {
        println!("{trouble:?} at {call:?}");
        let (desk, faults) = (&self.desk, self.desk.network.faults());
        // Whether it was answered is looked at only after a confirmation was lost; a token is fetched only after one has ended.
        let lost = (*call != desk.network.publishing())
            .then(|| faults.arm(Fault::RefuseAfterEffect { status: 502 }, desk.network.publishing(), 1));
        if N::log_ins().contains(call) {
            desk.network.expires_token();
        }
        let struck = faults.arm(trouble, call, 1);
        self.rounds += 1;
        let thing = desk.network.asks(&format!("Cliente {}", self.rounds % 5), "Perché?");
        let strikes = async {
            struck.struck(1).await;
            then(&desk.network);
            struck.release();
        };
        let goes_on = async {
            desk.deliver().await;
            desk.as_time_passes("it is answered in spite of the trouble", |desk| {
                struck.count() == 1 && desk.effect(self.rounds).is_some_and(|effect| effect.state == EffectState::Done)
            })
            .await;
        };
        tokio::join!(strikes, goes_on);
        assert_eq!((desk.network.answers_to(&thing).len(), lost.map_or(1, |lost| lost.count())), (1, 1), "{trouble:?} at {call:?}");
    }

    pub(crate) async fn end(self) {
        let words = self.desk.words().len() as u64;
        assert_eq!((self.desk.network.doubled(), words, self.desk.parked()), (0, self.rounds, 0));
        let too_early = self.desk.network.faults().too_early();
        assert!(too_early.is_empty(), "{} requests came before they were told to: {too_early:#?}", too_early.len());
        self.desk.stop().await;
    }
}

/// A desk that posts, and what it is to go through.
pub(crate) struct PostTrial<N> {
    desk: Desk<N>,
    rounds: u64,
}

impl<N: Network> PostTrial<N> {
    pub(crate) async fn begin() -> Self {
        Self { desk: Desk::listening().await, rounds: 0 }
    }

    /// The company posts, though a request of this kind meets this trouble.
    pub(crate) async fn round(&mut self, call: &&[&str], trouble: Fault, then: impl Fn(&N)) {
        println!("{trouble:?} at {call:?}");
        let (desk, faults) = (&self.desk, self.desk.network.faults());
        // Whether it is there is looked at only after a confirmation was lost.
        let lost =
            (*call != desk.network.posting()).then(|| faults.arm(Fault::RefuseAfterEffect { status: 502 }, desk.network.posting(), 1));
        let struck = faults.arm(trouble, call, 1);
        self.rounds += 1;
        let text = format!("Chiusi per ferie dal {} (agosto) 🙏", self.rounds);
        desk.posts(&text).await;
        let strikes = async {
            struck.struck(1).await;
            then(&desk.network);
            struck.release();
        };
        let goes_on = desk.as_time_passes("it is posted in spite of the trouble", |desk| {
            struck.count() == 1 && desk.effect(self.rounds).is_some_and(|effect| effect.state == EffectState::Done)
        });
        tokio::join!(strikes, goes_on);
        assert_eq!((self.times_there(&text), lost.map_or(1, |lost| lost.count())), (1, 1), "{trouble:?} at {call:?}");
    }

    fn times_there(&self, text: &str) -> usize {
        self.desk.network.posts().iter().filter(|post| post.contains(text)).count()
    }

    pub(crate) async fn end(self) {
        assert_eq!((self.desk.network.posts().len() as u64, self.desk.said().len(), self.desk.parked()), (self.rounds, 0, 0));
        let too_early = self.desk.network.faults().too_early();
        assert!(too_early.is_empty(), "{} requests came before they were told to: {too_early:#?}", too_early.len());
        self.desk.stop().await;
    }
}
