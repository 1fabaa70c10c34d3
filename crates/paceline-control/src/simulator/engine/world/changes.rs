//! Resources that change while the jobs run.

use super::World;

impl World<'_> {
    /// Moves what is changing at the present share of work done. Shares of jobs done would depend
    /// on how many are in flight, and not on how far the work is.
    pub(super) fn apply_changes(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let mut touched = vec![false; self.services.len()];
        let services = &mut self.services;
        let workload = self.simulation.workload;
        self.changes.retain_mut(|(change, before)| {
            let all = workload.demand(change.station).max(1e-9);
            let done = services[change.station].delivered / all;
            if done < change.from {
                return true;
            }
            let station = &mut services[change.station].station;
            let before = before.get_or_insert(*station);
            let part = if done >= change.to {
                1.0
            } else {
                (done - change.from) / (change.to - change.from)
            };
            change.target.blend(before, part, station);
            touched[change.station] = true;
            part < 1.0
        });
        if touched.contains(&true) {
            self.set_all_speeds();
        }
        for (station, touched) in touched.into_iter().enumerate() {
            if touched {
                self.fill_slots(station);
            }
        }
    }
}
