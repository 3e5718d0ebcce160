//! How often what goes wrong, drawn anew for every schedule: some know every fault, some hardly
//! any, so that no fault hides behind another.

use super::rng::Rng;

/// Each is so often in a thousand of the occasions that there are for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub crash: u64,
    pub crash_in_commit: u64,
    pub power_loss: u64,
    pub stall: u64,
    pub clock_jump: u64,
    pub disk: u64,
    pub unreachable: u64,
    pub unknown: u64,
    pub lost_answer: u64,
    pub perform_fails: u64,
    pub plan_fails: u64,
    pub phase_retries: u64,
    pub phase_fails: u64,
    pub worse: u64,
    pub no_change: u64,
    pub others: u64,
    pub duplicate: u64,
    pub meddling: u64,
}

impl Faults {
    pub fn draw(rng: &mut Rng) -> Faults {
        let mut some = |most: u64| if rng.chance(600) { 1 + rng.below(most) } else { 0 };
        Faults {
            crash: some(40),
            crash_in_commit: some(120),
            power_loss: some(15),
            stall: some(60),
            clock_jump: some(25),
            disk: some(80),
            unreachable: some(200),
            unknown: some(150),
            lost_answer: some(250),
            perform_fails: some(150),
            plan_fails: some(80),
            phase_retries: some(150),
            phase_fails: some(60),
            worse: some(700),
            no_change: some(60),
            others: some(15),
            duplicate: some(400),
            meddling: some(250),
        }
    }
}
