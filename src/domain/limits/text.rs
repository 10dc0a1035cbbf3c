//! Limits in a line: `minute=1000/1m`, and what is not the default after it: `,cost=5,outage=admit`.

use std::{fmt, str::FromStr};

use super::{AskedLimit, Limit, LimitName, OnOutage};

const FORM: &str = "must be a limit such as minute=1000/1m, or minute=1000/1m,cost=5,outage=admit";

impl FromStr for AskedLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (name, rest) = parts.next().and_then(|first| first.split_once('=')).ok_or(FORM)?;
        let (amount, window) = rest.split_once('/').ok_or(FORM)?;
        let name = LimitName::parse(name).map_err(|error| format!("the name {error}"))?;
        let window = window.parse().map_err(|error| format!("the window {error}"))?;
        let mut limit = Limit::new(name, number(amount)?, window).map_err(|error| format!("the limit {error}"))?;
        let mut given = Vec::new();
        for part in parts {
            let (word, _) = part.split_once('=').ok_or(FORM)?;
            if given.contains(&word) {
                return Err(format!("{word} is given twice"));
            }
            given.push(word);
            match part.split_once('=').ok_or(FORM)? {
                ("cost", cost) => limit.cost = number(cost)?,
                ("outage", word) => limit.on_outage = OnOutage::of(word).ok_or("the outage must be refuse or admit")?,
                _ => return Err(FORM.to_owned()),
            }
        }
        let limit = limit.checked().map_err(|error| format!("the cost {error}"))?;
        Ok(Self { limit, set_by: None })
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a whole number"))
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}/{}", self.name, self.amount, self.window)?;
        if self.cost != 1 {
            write!(formatter, ",cost={}", self.cost)?;
        }
        if self.on_outage != OnOutage::default() {
            write!(formatter, ",outage={}", self.on_outage.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AskedLimit, String> {
        text.parse()
    }

    #[test]
    fn a_limit_is_written_as_it_is_read() {
        for text in ["minute=1000/1m", "m=1/month", "a.b=10/90s,cost=10", "d=5/day,cost=2,outage=admit"] {
            let limit = read(text).unwrap_or_else(|error| panic!("{text}: {error}")).limit;
            assert_eq!(limit.to_string(), text);
        }
        for text in ["", "minute", "minute=10", "=1/1m", "a b=1/1m", "a=0/1m", "a=-1/1m", "a=1/1w", "a=1/1m,cost=2"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("a=5/1m,cost=1,cost=2").is_err() && read("a=5/1m,outage=admit,outage=admit").is_err());
        assert!(read("a=1/1m,").is_err() && read("a=1/1m,outage=x").is_err() && read("a=1/1m,x=1").is_err());
    }
}
