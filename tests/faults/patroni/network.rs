//! Three machines, each a network namespace, on one bridge, to which the test has a link, too. The bridge has a
//! namespace of its own, where no rule for this machine's traffic (Docker's, for example) is in the way.

use std::process::{Command, Stdio};

/// The name of the bridge's namespace and of the test's link to it, and the beginning of the machines' names. All are
/// removed first, so a run that was killed leaves nothing behind for the next.
const NAME: &str = "kwfail";

pub(super) const MACHINES: usize = 3;

/// The network. It is removed when dropped, with every process in it.
pub(super) struct Network(());

impl Network {
    pub(super) fn build() -> Self {
        remove();
        let network = Self(());
        ip(&format!("netns add {NAME}"));
        ip(&format!("-n {NAME} link add bridge type bridge"));
        ip(&format!("-n {NAME} link set bridge up"));
        ip(&format!("link add {NAME} type veth peer name test netns {NAME}"));
        ip(&format!("-n {NAME} link set test master bridge up"));
        ip(&format!("addr add 10.77.0.254/24 dev {NAME}"));
        ip(&format!("link set {NAME} up"));
        for machine in 0..MACHINES {
            let (name, address) = (namespace(machine), address(machine));
            ip(&format!("netns add {name}"));
            ip(&format!("-n {NAME} link add {name} type veth peer name eth0 netns {name}"));
            ip(&format!("-n {NAME} link set {name} master bridge up"));
            ip(&format!("-n {name} addr add {address}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} link set lo up"));
        }
        network
    }

    /// Nothing passes between this machine and the other two; the test still reaches it.
    pub(super) fn cut_off(&self, machine: usize) {
        for other in (0..MACHINES).filter(|other| *other != machine) {
            let other = address(other);
            self.iptables(machine, &format!("-A INPUT -s {other} -j DROP"));
            self.iptables(machine, &format!("-A OUTPUT -d {other} -j DROP"));
        }
    }

    /// Ends [`cut_off`](Self::cut_off).
    pub(super) fn heal(&self, machine: usize) {
        self.iptables(machine, "--flush");
    }

    fn iptables(&self, machine: usize, arguments: &str) {
        run(inside(machine, "iptables").args(arguments.split(' ')));
    }
}

impl Network {
    /// Ends every process on the machines, and the network.
    pub(super) fn end(&self) {
        remove();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program on a machine.
pub(super) fn inside(machine: usize, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &namespace(machine), program]);
    command
}

pub(super) fn address(machine: usize) -> String {
    format!("10.77.0.{}", machine + 1)
}

fn namespace(machine: usize) -> String {
    format!("{NAME}{machine}")
}

fn remove() {
    for machine in 0..MACHINES {
        let name = namespace(machine);
        let pids = quietly(Command::new("ip").args(["netns", "pids", &name]));
        for pid in pids.split_whitespace() {
            quietly(Command::new("kill").args(["-KILL", pid]));
        }
        quietly(Command::new("ip").args(["netns", "del", &name]));
    }
    quietly(Command::new("ip").args(["netns", "del", NAME]));
    quietly(Command::new("ip").args(["link", "del", NAME]));
}

fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a command prints, whether it succeeds or not.
pub(super) fn quietly(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
