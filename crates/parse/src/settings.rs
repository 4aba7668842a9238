//! What the site says about its sources, as far as parsing depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use crate::clocks::Clocks;
use crate::definition::Definition;
use crate::geo::Geo;
use crate::header::Zone;
use crate::template::Template;

/// What parsing depends on besides the record: `Event = parse(Record, ParseSettings)`.
///
/// Build new settings when definitions are loaded anew, so that layouts are compiled for those.
#[derive(Clone, Debug)]
pub struct ParseSettings {
    zone: Zone,
    senders: BTreeMap<String, Sender>,
    relays: BTreeSet<IpAddr>,
    clocks: Arc<Clocks>,
    geo: Arc<Geo>,
}

/// The settings of one sender ([`event::Origin::sender`]).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderSettings {
    /// The zone of its times that name none: an IANA name, an abbreviation or an offset in any usual spelling.
    pub zone: Option<String>,
    /// What it is, where its lines alone do not say: a product's name.
    pub product: Option<String>,
    /// Its own layouts (`log_format`, `log_line_prefix`), by product.
    pub layouts: BTreeMap<String, String>,
}

/// The same, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    pub(crate) zone: Option<Zone>,
    pub(crate) product: Option<Box<str>>,
    pub(crate) layouts: Arc<[SiteLayout]>,
}

/// A site's own layout of one product's lines, compiled when first needed.
#[derive(Debug)]
pub(crate) struct SiteLayout {
    pub(crate) product: Box<str>,
    pub(crate) text: Box<str>,
    /// With the fingerprint of the definition whose symbols it uses; none where the layout is wrong.
    compiled: OnceLock<(u64, Option<Template>)>,
}

impl SiteLayout {
    /// The template for that definition; none where the layout is wrong or the definition has been changed since.
    pub(crate) fn template(&self, definition: &Definition) -> Option<&Template> {
        let (fingerprint, template) = self.compiled.get_or_init(|| {
            let template = definition.compile_layout(&self.text);
            (definition.fingerprint, template.ok().flatten())
        });
        template
            .as_ref()
            .filter(|_| *fingerprint == definition.fingerprint)
    }
}

impl Sender {
    pub(crate) fn layout(&self, definition: &Definition) -> Option<&Template> {
        let mut layouts = self.layouts.iter();
        layouts
            .find(|layout| layout.product == definition.name)?
            .template(definition)
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "no time zone {zone:?}: write an IANA name such as Asia/Ho_Chi_Minh, or an offset such as +07:00"
)]
pub struct ZoneError {
    zone: String,
}

impl Default for ParseSettings {
    /// Asia/Ho_Chi_Minh, nothing known of any sender.
    fn default() -> Self {
        Self {
            zone: Zone::vietnam(),
            senders: BTreeMap::new(),
            relays: BTreeSet::new(),
            clocks: Arc::default(),
            geo: Arc::default(),
        }
    }
}

impl ParseSettings {
    /// Takes another zone for times without one, where neither sender nor product has its own.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn with_zone(mut self, zone: &str) -> Result<Self, ZoneError> {
        self.zone = read_zone(zone)?;
        Ok(self)
    }

    /// Adds what is known of a sender, by its name as [`event::Origin::sender`] gives it.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn with_sender(mut self, name: &str, settings: SenderSettings) -> Result<Self, ZoneError> {
        let sender = Sender {
            zone: settings.zone.as_deref().map(read_zone).transpose()?,
            product: settings.product.map(Into::into),
            layouts: settings
                .layouts
                .into_iter()
                .map(|(product, text)| SiteLayout {
                    product: product.into(),
                    text: text.into(),
                    compiled: OnceLock::new(),
                })
                .collect(),
        };
        self.senders.insert(name.to_owned(), sender);
        Ok(self)
    }

    /// Declares a peer a relay: its sources are told apart by the host names that it passes on.
    #[must_use]
    pub fn with_relay(mut self, peer: IpAddr) -> Self {
        self.relays.insert(peer.to_canonical());
        self
    }

    /// Takes what is known of devices' clocks in place of what was.
    #[must_use]
    pub fn with_clocks(mut self, clocks: Arc<Clocks>) -> Self {
        self.clocks = clocks;
        self
    }

    /// What is known of devices' clocks.
    #[must_use]
    pub fn clocks(&self) -> &Arc<Clocks> {
        &self.clocks
    }

    /// Takes databases that tell where addresses are.
    #[must_use]
    pub fn with_geo(mut self, geo: Arc<Geo>) -> Self {
        self.geo = geo;
        self
    }

    /// The databases of addresses.
    #[must_use]
    pub fn geo(&self) -> &Arc<Geo> {
        &self.geo
    }

    /// Every sender's name with what is known of it.
    pub(crate) fn senders(&self) -> impl Iterator<Item = (&str, &Sender)> {
        self.senders
            .iter()
            .map(|(name, sender)| (name.as_str(), sender))
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    pub(crate) fn sender(&self, name: impl FnOnce() -> String) -> Option<&Sender> {
        if self.senders.is_empty() {
            return None;
        }
        self.senders.get(&name())
    }

    pub(crate) fn is_relay(&self, peer: IpAddr) -> bool {
        !self.relays.is_empty() && self.relays.contains(&peer.to_canonical())
    }
}

fn read_zone(zone: &str) -> Result<Zone, ZoneError> {
    Zone::parse(zone).ok_or_else(|| ZoneError {
        zone: zone.to_owned(),
    })
}
