//! Taking a commit back by another commit, computed in memory: neither worktree nor index are
//! touched, and a conflict leaves nothing behind.

use super::{CommitPlan, Error, Head, Repo};

impl Repo {
    /// Plans the commit that reverts `commit` on top of `head`. Made and probed like any other.
    ///
    /// # Errors
    /// [`Error::RevertConflict`] with the paths where later changes are in the way;
    /// [`Error::NothingToCommit`] where it has been reverted already.
    pub fn plan_revert(
        &self,
        head: &Head,
        commit: &str,
        author: (&str, &str),
        time_s: i64,
        message: &str,
    ) -> Result<CommitPlan, Error> {
        let unwanted = self.find_commit(commit)?;
        if unwanted.parent_count() > 1 {
            return Err(Error::RevertOfMerge { commit: commit.to_owned() });
        }
        let onto = self.find_commit(&head.commit)?;
        let mut index = self.inner.revert_commit(&unwanted, &onto, 0, None)?;
        if index.has_conflicts() {
            let paths = conflicts(&index)?;
            return Err(Error::RevertConflict { commit: commit.to_owned(), paths });
        }
        let tree = index.write_tree_to(&self.inner)?;
        self.plan(head, tree, author, time_s, message)
    }
}

fn conflicts(index: &git2::Index) -> Result<Vec<String>, Error> {
    let mut paths = std::collections::BTreeSet::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let sides = [conflict.our, conflict.their, conflict.ancestor];
        let side = sides.into_iter().flatten().next();
        paths.extend(side.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()));
    }
    Ok(paths.into_iter().collect())
}
