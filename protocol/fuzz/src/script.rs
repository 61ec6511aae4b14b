//! Octets read as decisions: what a target does is as much made up as what it does it with.

/// The decisions that are left. When they run out, every further one is zero.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(octets: &'a [u8]) -> Self {
        Script(octets)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn octet(&mut self) -> u8 {
        match self.0.split_first() {
            Some((octet, rest)) => {
                self.0 = rest;
                *octet
            }
            None => 0,
        }
    }

    pub fn two_octets(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    pub fn four_octets(&mut self) -> u32 {
        u32::from(self.two_octets()) << 16 | u32::from(self.two_octets())
    }

    /// One of these.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.octet()) % from.len()]
    }

    /// As many octets as the next one says, or as there are.
    pub fn octets(&mut self) -> &'a [u8] {
        let count = usize::from(self.octet()).min(self.0.len());
        let (octets, rest) = self.0.split_at(count);
        self.0 = rest;
        octets
    }

    /// All that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
