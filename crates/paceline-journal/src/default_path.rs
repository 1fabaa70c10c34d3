//! Where the journal lies unless the user says otherwise.

use std::ffi::OsString;
use std::path::PathBuf;

/// The journal's path by the environment: `$PACELINE_JOURNAL`, else
/// `$XDG_STATE_HOME/paceline/journal.db`, else `~/.local/state/paceline/journal.db`.
///
/// `variable` looks up an environment variable. Empty ones count as unset, and so does a
/// relative `$XDG_STATE_HOME`, which the XDG specification tells programs to ignore. Without
/// `$HOME` there is no default.
pub fn default_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(path) = set("PACELINE_JOURNAL") {
        return Some(path);
    }
    let state = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("paceline").join("journal.db"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(variables: &[(&str, &str)]) -> Option<PathBuf> {
        default_path(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let home = ("HOME", "/home/u");
        let state = ("XDG_STATE_HOME", "/state");
        let own = ("PACELINE_JOURNAL", "j.db");
        assert_eq!(path(&[home, state, own]), Some("j.db".into()));
        assert_eq!(
            path(&[home, state]),
            Some("/state/paceline/journal.db".into())
        );
        let under_home = Some("/home/u/.local/state/paceline/journal.db".into());
        assert_eq!(path(&[home]), under_home);
        assert_eq!(path(&[home, ("XDG_STATE_HOME", "")]), under_home);
        assert_eq!(path(&[home, ("XDG_STATE_HOME", "relative")]), under_home);
        assert_eq!(path(&[]), None);
    }
}
