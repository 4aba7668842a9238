//! The six classes of Điều 7.2, the categories of Điều 7.1, and how well a record was understood.

/// Declares a closed vocabulary: an enum whose members have one name each, the same in JSON, queries and files.
///
/// The members get `ALL`, `name`, `from_name`, `Display` and serde's traits; the caller depends on `serde`.
#[macro_export]
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every member, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in JSON, queries and files.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The member with that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// Which of the six classes of Điều 7.2 (Quy chế kèm Quyết định 17/2020/QĐ-UBND) an event is about.
    ///
    /// A class describes; it never fires a detector by itself.
    EventClass {
        /// Quá trình đăng nhập: log-ins, log-outs, failed attempts.
        Login = "login",
        /// Tạo, cập nhật hoặc xóa dữ liệu: creating, changing, deleting data.
        DataChange = "data-change",
        /// Xem, thiết lập cấu hình: viewing and setting configuration.
        Config = "config",
        /// Kết nối vào và ra: connections in and out.
        Connection = "connection",
        /// Thay đổi quyền truy cập: changes of access rights, and their use.
        Privilege = "privilege",
        /// Cảnh báo truy cập trái phép: warnings of unauthorised access.
        IntrusionWarning = "intrusion-warning",
    }
}

vocabulary! {
    /// What kind of thing sends the logs (Điều 7.1); it comes from the product.
    SourceCategory {
        /// Thiết bị mạng.
        Network = "network",
        /// Thiết bị bảo mật.
        Security = "security",
        /// Máy tính.
        Computer = "computer",
        /// Phần mềm ứng dụng.
        Application = "application",
        /// Hệ điều hành.
        Os = "os",
        /// Hệ quản trị cơ sở dữ liệu.
        Database = "database",
    }
}

vocabulary! {
    /// How well a record was understood.
    ParseLevel {
        /// A product's definition understood the message.
        Full = "full",
        /// Only the syslog header was understood.
        Header = "header",
        /// A general format (JSON, key=value, CEF of an unknown product) was taken apart.
        Generic = "generic",
        /// Nothing was understood.
        None = "none",
        /// It claims a format that it breaks: the only level with `event.kind: pipeline_error`.
        Broken = "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_member() {
        for class in EventClass::ALL {
            assert_eq!(EventClass::from_name(class.name()), Some(*class));
        }
        assert_eq!(EventClass::from_name("Login"), None);
    }
}
