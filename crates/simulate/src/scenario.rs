//! What an attacker, a careless administrator and a broken device do.

use std::time::Duration;

use event::Micros;

use crate::mix::{Device, Line};
use crate::stamp::Stamp;

/// A story told in log lines.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, for the demo's list and for tests.
    pub name: &'static str,
    /// What happens, in a Vietnamese and an English sentence.
    pub story: [&'static str; 2],
    /// The identifiers of the rules that must notice it.
    pub noticed_by: &'static [&'static str],
    /// Its lines: how long after the beginning, and what is written then.
    script: fn(&mut Script),
}

/// A line and when it is sent, counted from the beginning of its scenario.
#[derive(Clone, Debug)]
pub struct Step {
    /// After the beginning.
    pub after: Duration,
    /// What is sent.
    pub line: Line,
}

impl Scenario {
    /// Its lines, in order, dated as if it began at that instant.
    #[must_use]
    pub fn steps(&self, begin: Micros) -> Vec<Step> {
        let mut script = Script {
            begin,
            after: Duration::ZERO,
            stamp: Stamp::default(),
            steps: Vec::new(),
        };
        (self.script)(&mut script);
        script.steps
    }
}

/// All scenarios, in the order in which the demo plays them.
#[must_use]
pub fn all() -> &'static [Scenario] {
    &[
        Scenario {
            name: "ssh-brute-force",
            story: [
                "Một địa chỉ bên ngoài dò mật khẩu SSH của root rồi đăng nhập được.",
                "An outside address guesses root's SSH password and gets in.",
            ],
            noticed_by: &[
                "login-failures-account",
                "login-failures-address",
                "login-success-after-failures",
            ],
            script: ssh_brute_force,
        },
        Scenario {
            name: "password-spraying",
            story: [
                "Một địa chỉ thử cùng một mật khẩu cho nhiều tài khoản.",
                "One address tries one password on many accounts.",
            ],
            noticed_by: &["login-spraying"],
            script: password_spraying,
        },
        Scenario {
            name: "new-administrator",
            story: [
                "Tài khoản mới được tạo và đưa vào nhóm quản trị.",
                "A new account is made and put into the administrators' group.",
            ],
            noticed_by: &["privilege-user-created", "privilege-admin-group"],
            script: new_administrator,
        },
        Scenario {
            name: "firewall-change",
            story: [
                "Chính sách tường lửa bị sửa từ một địa chỉ lạ.",
                "A firewall policy is changed from an unknown address.",
            ],
            noticed_by: &["config-change"],
            script: firewall_change,
        },
        Scenario {
            name: "port-scan",
            story: [
                "Một địa chỉ dò quét các cổng của một máy chủ.",
                "One address scans the ports of a server.",
            ],
            noticed_by: &["scan-vertical", "denied-burst"],
            script: port_scan,
        },
        Scenario {
            name: "network-sweep",
            story: [
                "Một máy bên trong dò cổng 445 trên nhiều máy khác.",
                "A machine inside tries port 445 on many others.",
            ],
            noticed_by: &["scan-horizontal"],
            script: network_sweep,
        },
        Scenario {
            name: "mass-deletion",
            story: [
                "Một tài khoản xóa hàng loạt bản ghi rồi xóa cả bảng.",
                "An account deletes many rows, then drops the table.",
            ],
            noticed_by: &["data-mass-change", "data-destroyed"],
            script: mass_deletion,
        },
        Scenario {
            name: "intrusion-warning",
            story: [
                "Thiết bị bảo mật cảnh báo tấn công vào cổng thông tin.",
                "The security device warns of an attack on the portal.",
            ],
            noticed_by: &["intrusion-warning"],
            script: intrusion_warning,
        },
    ]
}

/// Writes the lines of a scenario one after another.
struct Script {
    begin: Micros,
    after: Duration,
    stamp: Stamp,
    steps: Vec<Step>,
}

impl Script {
    fn wait(&mut self, duration: Duration) {
        self.after += duration;
    }

    /// Sends the text that `write` makes of the present second.
    fn send(&mut self, device: Device, write: impl FnOnce(&Stamp, Micros) -> String) {
        let at = self.begin.after(self.after);
        self.stamp.set(at);
        let text = write(&self.stamp, at);
        self.steps.push(Step {
            after: self.after,
            line: Line { device, text },
        });
    }

    /// A line of a Linux program through syslog.
    fn linux(&mut self, device: Device, priority: u8, program: &str, message: &str) {
        let host = device.host();
        self.send(device, |stamp, _| {
            format!("<{priority}>{} {host} {program}: {message}", stamp.bsd)
        });
    }

    fn fortigate(&mut self, level: &str, rest: &str) {
        self.send(Device::Fortigate, |stamp, at| {
            format!(
                "<185>{} devname=\"FGT-BIEN-01\" devid=\"FG100FTK20000001\" eventtime={} tz=\"+0700\" {rest} \
                 level=\"{level}\" vd=\"root\"",
                stamp.fortigate,
                at.0.saturating_mul(1000),
            )
        });
    }

    fn asa(&mut self, message: &str) {
        self.send(Device::Asa, |stamp, _| {
            format!("<164>{} asa-ttdl : {message}", stamp.asa)
        });
    }
}

fn ssh_brute_force(script: &mut Script) {
    let server = Device::Server(3);
    for attempt in 0..24 {
        let (pid, port) = (40_100 + attempt, 51_000 + attempt * 7);
        script.linux(
            server,
            86,
            &format!("sshd[{pid}]"),
            &format!("Failed password for root from 203.0.113.66 port {port} ssh2"),
        );
        script.wait(Duration::from_secs(1));
    }
    script.linux(
        server,
        86,
        "sshd[40199]",
        "Accepted password for root from 203.0.113.66 port 51999 ssh2",
    );
}

fn password_spraying(script: &mut Script) {
    let accounts = [
        "nvan", "ttbinh", "lvcuong", "ptdung", "giamsat", "quantri", "vhhoa", "nthuong", "dqkhanh",
    ];
    for (number, account) in accounts.iter().enumerate() {
        let (pid, port) = (41_000 + number, 42_000 + number);
        script.linux(
            Device::Server(5),
            86,
            &format!("sshd[{pid}]"),
            &format!("Failed password for {account} from 198.51.100.23 port {port} ssh2"),
        );
        script.wait(Duration::from_secs(2));
    }
}

fn new_administrator(script: &mut Script) {
    let server = Device::Server(2);
    script.linux(
        server,
        86,
        "useradd[5120]",
        "new user: name=hotro2, UID=1042, GID=1042, home=/home/hotro2, shell=/bin/bash, from=/dev/pts/0",
    );
    script.wait(Duration::from_secs(3));
    script.linux(server, 86, "usermod[5131]", "add 'hotro2' to group 'sudo'");
}

fn firewall_change(script: &mut Script) {
    script.fortigate(
        "information",
        "logid=\"0100044547\" type=\"event\" subtype=\"system\" logdesc=\"Object attribute configured\" \
         user=\"quantri\" ui=\"GUI(198.51.100.88)\" action=\"Edit\" cfgtid=1180001 cfgpath=\"firewall.policy\" \
         cfgobj=\"12\" cfgattr=\"dstaddr[vip-cong-tt->all]\" msg=\"Edit firewall.policy 12\"",
    );
}

fn port_scan(script: &mut Script) {
    for port in 0..120 {
        let target = 1 + port * 13;
        script.asa(&format!(
            "%ASA-4-106023: Deny tcp src outside:203.0.113.99/{} dst inside:10.64.10.41/{target} by access-group \
             \"outside_in\" [0x0, 0x0]",
            40_000 + port
        ));
        script.wait(Duration::from_millis(250));
    }
}

fn network_sweep(script: &mut Script) {
    for host in 2..62 {
        script.fortigate(
            "notice",
            &format!(
                "logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" srcip=10.64.3.77 srcport={} \
                 srcintf=\"lan\" dstip=10.64.9.{host} dstport=445 dstintf=\"may-chu\" sessionid={} proto=6 \
                 action=\"deny\" policyid=0 service=\"SMB\" duration=0 sentbyte=0 rcvdbyte=0",
                50_000 + host,
                9_000_000 + host
            ),
        );
        script.wait(Duration::from_millis(400));
    }
}

fn mass_deletion(script: &mut Script) {
    let statement = |script: &mut Script, number: u32, class: &str, command: &str, sql: &str| {
        let host = Device::Database.host();
        script.send(Device::Database, |stamp, _| {
            format!(
                "<134>{} {host} postgres[8821]: [{number}-1] {}.217 +07 [8821] ketoan@hoso LOG:  AUDIT: \
                 SESSION,{number},1,{class},{command},TABLE,public.ho_so,{sql},<not logged>",
                stamp.bsd, stamp.iso
            )
        });
    };
    for number in 1..=55 {
        let sql = format!("DELETE FROM ho_so WHERE id = {number}");
        statement(script, number, "WRITE", "DELETE", &sql);
        script.wait(Duration::from_millis(500));
    }
    statement(script, 56, "DDL", "DROP TABLE", "DROP TABLE ho_so");
}

fn intrusion_warning(script: &mut Script) {
    script.fortigate(
        "alert",
        "logid=\"0419016384\" type=\"utm\" subtype=\"ips\" eventtype=\"signature\" severity=\"critical\" \
         srcip=203.0.113.140 srccountry=\"Reserved\" dstip=10.64.10.31 srcport=39114 dstport=443 srcintf=\"wan1\" \
         dstintf=\"may-chu\" proto=6 service=\"HTTPS\" policyid=12 sessionid=8123001 action=\"detected\" \
         attack=\"Apache.Log4j.Error.Log.Remote.Code.Execution\" attackid=51006 direction=\"outgoing\" \
         msg=\"applications3: Apache.Log4j.Error.Log.Remote.Code.Execution\"",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_tells_its_story_in_order_of_time() {
        for scenario in all() {
            let steps = scenario.steps(Micros(1_790_000_000_000_000));
            assert!(!steps.is_empty(), "{}", scenario.name);
            assert!(
                steps.is_sorted_by_key(|step| step.after),
                "{}",
                scenario.name
            );
            assert!(!scenario.noticed_by.is_empty());
        }
    }
}
