//! What must not stop the cluster: a request timer under load, view changes that part ways, views that begin beyond a
//! replica's window, messages that are lost once.

use byztop_core::types::View;

use crate::support::{Cluster, id};
use crate::{assert_answered, load, settings};

#[test]
fn rule_17_a_dead_primary_is_deposed_however_fast_requests_come() {
    let mut cluster = Cluster::new(4, settings(), 30);
    cluster.attack(id(1), "crash");
    let mut asked = load(&mut cluster, 60, 50);
    assert_eq!(cluster.view(id(2)), View(1), "requests keep coming while the answers to a question are awaited");
    asked.extend(load(&mut cluster, 20, 50));
    cluster.run_ms(500);
    assert_answered(&cluster, &asked);
}
