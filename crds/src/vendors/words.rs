//! The words by which apps name vendors and their regions. Asked by `preferences`.

use super::{Vendor, Vendors};

impl Vendors {
    /// The vendor that other routers, or Lotse, call by this word, in lower case.
    pub fn called(&self, word: &str) -> Option<&Vendor> {
        self.get(word).or_else(|| self.all().find(|vendor| vendor.is_called(word)))
    }

    /// The place of a region, whichever vendor's it is; nothing when no table has it.
    pub fn place_of_region(&self, region: &str) -> Option<&str> {
        let mut places = self.regions.values().flat_map(|table| &table.places);
        places.find(|(_, regions)| regions.iter().any(|known| known == region)).map(|(place, _)| place.as_str())
    }
}

impl Vendor {
    /// Whether other routers, or Lotse, call it by this word, in lower case.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.slugs.iter().any(|slug| slug == word)
    }
}
