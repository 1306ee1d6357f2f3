//! A log that is an old copy (rule 29): the disk was restored from a backup, or the process was started on another folder.
//!
//! Such a log reads as whole, so the store can not notice it. Peers can: they hold what this replica signed since the copy
//! was made, and certificates, new views and the headers in PREPAREs show it. An intact log knows all of that, since it was
//! written before it was sent. What no peer shows stays unnoticed.

use super::form::Form;
use super::{Cx, Observing, Phase, Views};
use crate::crypto::{Kind, Statement};
use crate::protocol::{Event, Output, OwnStatement, Recipients, Timer};

impl<F: Form> Views<F> {
    /// Whether the log accounts for a statement of this replica.
    ///
    /// A slot at or below the stable checkpoint is settled and may be collected. A vote above the high watermark is in no
    /// log, but is not made with an intact one either: the watermarks only grow, and are written before the vote. O may reach
    /// beyond the window, so its entries are accounted for by the view that they began.
    pub(super) fn accounts_for(&self, own: &OwnStatement) -> bool {
        let Statement { kind, view, seq, digest, .. } = match own {
            OwnStatement::ViewChange(view) => return *view <= self.asked_or_entered(),
            OwnStatement::Signed(statement) => *statement,
        };
        let slot = self.log.slot(seq);
        let is_settled = seq <= self.watermarks.low();
        match kind {
            // Of several views' votes the log keeps the newest.
            Kind::PrePrepare | Kind::Prepare => {
                let accounts =
                    |voted: super::Proposal| voted.view > view || voted.view == view && voted.digest == digest;
                is_settled || slot.and_then(|slot| slot.voted).is_some_and(accounts)
            }
            Kind::Commit => is_settled || slot.is_some_and(|slot| slot.commit_sent_in >= Some(view)),
            // A view that was entered is not begun again.
            Kind::NewView | Kind::Forced => view <= self.view || self.last_begun >= Some(view),
            // A state follows from the decisions, whoever signs it; a request for a view comes as the other variant.
            Kind::Checkpoint | Kind::ViewChange | Kind::Submission => true,
        }
    }

    /// A peer showed a statement of this replica that the log does not account for: from here on the replica does what one
    /// does that lost its log.
    pub(super) fn observe_with_old_log(&mut self, cx: &mut Cx<'_, F>, shown: OwnStatement) {
        if self.observing.is_some() {
            return;
        }
        cx.note(Event::OldLog { shown });
        self.observing = Some(Observing::default());
        // On the disk before anything else, as at the start.
        self.touch_view();
        self.log.fall_silent();
        // The request for a view stands. It is timed anew once it is repeated.
        if let Phase::Changing { target, .. } = self.phase {
            self.phase = Phase::Changing { target, is_timed: false };
            cx.emit(Output::CancelTimer(Timer::ViewChange));
        }
        self.ask(cx, Recipients::All);
    }
}
