//! A process under measurement: the processor time it used, and its end in order.

use std::path::Path;
use std::process::Child;

use crate::Problem;

/// A child process. Killed when it is dropped.
pub(crate) struct Measurable {
    name: &'static str,
    child: Child,
}

impl Measurable {
    pub(crate) fn new(name: &'static str, child: Child) -> Self {
        Self { name, child }
    }

    /// What all its threads used so far, in user and system time, as the kernel counts (ticks of 10 ms).
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Problem> {
        let stat = std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("stat"))?;
        // The second field, the program's name in parentheses, may hold anything; utime and stime are the 12th and 13th after it.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().collect::<Vec<_>>());
        let ticks = |place: usize| fields.as_ref().and_then(|fields| fields.get(place)).and_then(|field| field.parse::<u64>().ok());
        match (ticks(11), ticks(12)) {
            (Some(user), Some(system)) => Ok((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64),
            _ => Err(format!("/proc tells the processor time of {} in a form that is not known", self.name).into()),
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) -> Result<(), Problem> {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Measurable {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_of_a_process_can_be_read() {
        let mut shell = std::process::Command::new("sh");
        let child = shell.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; read stop"]);
        let child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut process = Measurable::new("sh", child);
        while process.cpu_seconds().unwrap() < 0.02 {
            assert!(!process.has_ended());
            std::thread::yield_now();
        }
        process.stop().unwrap();
    }
}
