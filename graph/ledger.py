"""The ledger: proposals, the decisions that stand, the outbox that resumes the graph.

Everything one answer causes is written in one SQLite transaction, so a crash leaves
either the question open or the answer recorded together with its delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from graph import approvals, audit, memory, offering, outcomes, undos
from graph.errors import AlreadyDecided, KeyReused, OfferedAnew, UnknownProposal
from graph.fitting import check_answer, check_fit
from graph.offer_rows import (
    ANSWERED,
    APPROVED,
    COMING,
    DELIVERED,
    EVERY_ANSWER,
    LATEST,
    LISTED,
    OFFERS,
)
from graph.offers import Listed, Offer, remeasured
from graph.policy import Needed, PolicyFile, PolicyUnusable
from graph.run_store import RunStore, Thread, now
from graph.undos import UndoRequest
from nodes.refusal import Refusal
from tools.failpoints import crash_point
from tools.ideas import idea_key
from tools.messages import PROPOSAL, Decision, Outcome, Proposal

LOG = logging.getLogger("pillion.ledger")
NOTHING: Mapping[str, int | None] = MappingProxyType({})
__all__ = ["Ledger", "Offer", "Thread", "UndoRequest", "now"]


class Ledger(RunStore):
    """The store of questions and answers."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.policy = PolicyFile(path.parent)

    # proposals and decisions

    def offer(self, thread_id: str, proposals: Iterable[Proposal], actor: str) -> tuple[str, ...]:
        """Put proposals into the queue; a replay of the same offer changes nothing.

        Returns their ids, without those of ideas that another run is about to carry out.
        """
        at = now().isoformat()
        with self._transaction() as con:
            waiting, coming = self.offers(waiting=True), self._coming(thread_id)
            asked = [p for p in proposals if (p.product, idea_key(p.change)) not in coming]
            for p in asked:
                self._supersede_alike(p, waiting, thread_id, at)
                last = con.execute(
                    "SELECT round, thread_id FROM proposals WHERE id = ? ORDER BY round DESC",
                    (p.id,),
                ).fetchone()
                if last and last[1] == thread_id:
                    continue
                number = last[0] + 1 if last else 1
                if last:
                    self._supersede(p.id, thread_id, at)
                offering.write(con, at, actor, thread_id, p, number)
        return tuple(p.id for p in asked)

    def offer_again(self, thread_id: str, proposal_id: str, actor: str) -> bool:
        """Open a question again whose edit could not be tried; returns whether it is open now.

        It is not where another run has offered the idea since, or is about to carry it out.
        """
        with self._transaction() as con:
            old = self.offer_of(proposal_id)
            edited = old.decision is not None and old.decision.verdict == "edit"
            taken = self._coming(thread_id) | _ideas(self.offers(waiting=True))
            if again := edited and old.thread_id == thread_id and not _ideas([old]) & taken:
                at, number = now().isoformat(), old.round + 1
                offering.write(con, at, actor, thread_id, old.proposal, number)
        return again

    def _coming(self, thread_id: str) -> set[tuple[str, str]]:
        """Return what other runs have an approval for that nothing has come of yet."""
        return _ideas(map(self._offer, self._con.execute(COMING, (thread_id,)).fetchall()))

    def _supersede_alike(
        self, proposal: Proposal, waiting: Sequence[Offer], thread_id: str, at: str
    ) -> None:
        """Close unanswered offers of the same idea with other texts: only one could be made."""
        idea = idea_key(proposal.change)
        for old in waiting:
            same = old.proposal.product == proposal.product and old.thread_id != thread_id
            if same and old.proposal.id != proposal.id and idea_key(old.proposal.change) == idea:
                self._supersede(old.proposal.id, thread_id, at)

    def _supersede(self, proposal_id: str, thread_id: str, at: str) -> None:
        """Close an unanswered older offer, so that its run ends instead of waiting for ever."""
        old = self.offer_of(proposal_id)
        if old.decision is not None:
            return
        why = f"offered anew by run {thread_id}"
        self._write_decision(old, offering.closed(proposal_id, why, datetime.fromisoformat(at)))

    def decide(self, decision: Decision, seen: int | None = None) -> Offer:
        """Record an answer and queue its delivery; the first answer stands.

        `seen` is the round of the offer that it is about, the latest where it is None.

        Where policy wants several approvals, one that is not the last leaves the offer open.
        Raises `UnknownProposal`, `AlreadyDecided`, `AlreadyApproved`, `NotAllowed` (an agent
        may never approve), `OfferedAnew`, `PolicyUnusable` or `InvalidAnswer`.
        """
        return self.decide_all([decision], seen={decision.proposal_id: seen})[0]

    def decide_all(
        self,
        decisions: Sequence[Decision],
        key: str | None = None,
        seen: Mapping[str, int | None] = NOTHING,
    ) -> list[Offer]:
        """Record answers together or not at all; raises what `decide` raises.

        `seen` are the rounds of the offers that they are about, by proposal.

        The same answers again under the same `key` change nothing; other answers under it
        raise `KeyReused`.
        """
        for decision in decisions:
            check_answer(decision)
        with self._transaction():
            if key is None or self._is_new(key, decisions):
                for decision in decisions:
                    offer = self.offer_of(decision.proposal_id)
                    number = seen.get(decision.proposal_id)
                    if number not in (None, offer.round):
                        raise OfferedAnew(decision.proposal_id, number, offer.round)
                    if offer.decision is not None:
                        raise AlreadyDecided(offer.decision)
                    check_fit(decision, offer.proposal)
                    if self._enough(offer, decision):
                        self._write_decision(offer, decision)
        return [self.offer_of(d.proposal_id) for d in decisions]

    def _enough(self, offer: Offer, decision: Decision) -> bool:
        """Return whether this answer settles the offer; an approval among several is kept."""
        if decision.verdict != "approve":
            return True
        needed = self.policy.read().needed(offer.proposal)
        if needed == Needed():
            return True
        return approvals.add(self._con, offer, decision, needed)

    def _needed(self, proposal: Proposal) -> int | None:
        try:
            return self.policy.read().needed(proposal).approvals
        except PolicyUnusable:
            return None

    def _is_new(self, key: str, decisions: Sequence[Decision]) -> bool:
        """Keep the key with what it stands for; returns whether it was unknown."""
        said = [d.model_dump_json(exclude={"decided_at", "seconds"}) for d in decisions]
        wanted = audit.digest("\n".join(said))
        row = self._con.execute("SELECT sha256 FROM answer_keys WHERE key = ?", (key,)).fetchone()
        if row is None:
            at = now().isoformat()
            self._con.execute("INSERT INTO answer_keys VALUES (?, ?, ?)", (key, wanted, at))
        elif row[0] != wanted:
            raise KeyReused(key)
        return row is None

    def _write_decision(self, offer: Offer, decision: Decision) -> None:
        """Write an answer with its delivery inside the caller's transaction."""
        con = self._con
        seconds = (decision.decided_at - offer.offered_at).total_seconds()
        final = decision.model_copy(update={"seconds": max(0.0, seconds)})
        at, body = decision.decided_at.isoformat(), final.model_dump_json()
        con.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?)", (final.proposal_id, offer.round, body, at)
        )
        if final.verdict == "approve":
            undos.overtake(con, final.proposal_id, at)
        crash_point("ledger.decide.between")
        con.execute(
            "INSERT INTO outbox (thread_id, proposal_id, round) VALUES (?, ?, ?)",
            (offer.thread_id, final.proposal_id, offer.round),
        )
        audit.append(
            con, at, f"{final.principal.kind}:{final.principal.name}",
            f"proposal.{final.verdict}", final.proposal_id,
            reason=final.reason, channel=final.channel, seconds=round(final.seconds, 1),
            round=offer.round, sha256=audit.digest(body),
        )  # fmt: skip
        about = {"proposal_id": final.proposal_id, "product": offer.proposal.product}
        LOG.info("proposal answered", extra={**about, "verdict": final.verdict})

    def offer_of(self, proposal_id: str, before: int | None = None) -> Offer:
        """Return the latest offer of a proposal (`before` a round); raises `UnknownProposal`."""
        row = self._con.execute(LATEST, (proposal_id, before, before)).fetchone()
        if row is None:
            raise UnknownProposal(proposal_id)
        return self._offer(row)

    def offers(
        self, product: str | None = None, thread_id: str | None = None, waiting: bool = False
    ) -> list[Offer]:
        """Return the latest offer of every proposal, oldest first; of a run, as it made them."""
        return list(self.each_offer(product, thread_id, waiting))

    def each_offer(
        self, product: str | None = None, thread_id: str | None = None, waiting: bool = False
    ) -> Iterator[Offer]:
        """Yield the same one by one, each read when it is asked for."""
        asked = {"product": product, "thread": thread_id, "waiting": waiting}
        yield from map(self._offer, self._con.execute(OFFERS, asked).fetchall())

    def listed(
        self, product: str | None = None, thread_id: str | None = None, waiting: bool = False
    ) -> list[Listed]:
        """Return what a list of the same is made by."""
        asked = {"product": product, "thread": thread_id, "waiting": waiting}
        return [
            Listed._make(row)._replace(
                offered_at=datetime.fromisoformat(row[5]), expires_at=datetime.fromisoformat(row[6])
            )
            for row in self._con.execute(LISTED, asked).fetchall()
        ]

    def answered(self) -> list[Offer]:
        """Return every offer that somebody answered, also earlier ones of the same proposal."""
        return [self._offer(row) for row in self._con.execute(EVERY_ANSWER).fetchall()]

    def _offer(self, row: tuple[str, str, int, str, str]) -> Offer:
        proposal_id, thread_id, number, body, offered_at = row
        decision = self._con.execute(
            "SELECT body FROM decisions WHERE proposal_id = ? AND round = ?",
            (proposal_id, number),
        ).fetchone()
        outcomes = self._con.execute(
            "SELECT body FROM outcomes WHERE proposal_id = ? AND round = ? ORDER BY rowid",
            (proposal_id, number),
        ).fetchall()
        proposal, at = PROPOSAL.validate_json(body), datetime.fromisoformat(offered_at)
        return Offer(
            proposal,
            thread_id,
            number,
            at,
            Decision.model_validate_json(decision[0]) if decision else None,
            tuple(Outcome.model_validate_json(o[0]) for o in outcomes),
            approvals.given(self._con, proposal_id, number),
            self._needed(proposal),
            None if decision else remeasured(self._con, proposal, thread_id, at),
        )

    # outbox

    def undelivered(self) -> dict[str, list[Decision]]:
        """Return answers the graph has not taken yet, by thread, oldest first."""
        found = self._con.execute(
            "SELECT o.thread_id, d.body FROM outbox o JOIN decisions d"
            " ON d.proposal_id = o.proposal_id AND d.round = o.round"
            " WHERE o.delivered_at IS NULL ORDER BY o.seq"
        )
        waiting: dict[str, list[Decision]] = {}
        for thread_id, body in found:
            waiting.setdefault(thread_id, []).append(Decision.model_validate_json(body))
        return waiting

    def delivered(self, thread_id: str, taken: Iterable[Decision]) -> None:
        """Mark answers as taken by their thread; what was answered since is not among them."""
        at = now().isoformat()
        rows = [(at, thread_id, d.proposal_id, d.decided_at.isoformat()) for d in taken]
        with self._transaction() as con:
            con.executemany(DELIVERED, rows)

    # outcomes

    def record_outcome(self, outcome: Outcome, actor: str) -> None:
        """Record what became of an approved proposal; the same outcome twice is one row."""
        with self._transaction() as con:
            latest = self.offer_of(outcome.proposal_id).round
            (approved,) = con.execute(APPROVED, (outcome.proposal_id,)).fetchone()
            number = approved or latest
            outcomes.write(con, outcome, number, actor, now().isoformat())
            con.execute(
                "DELETE FROM undo_requests"
                " WHERE proposal_id = ? AND ? IN ('undone', 'rolled_back')",
                (outcome.proposal_id, outcome.status),
            )

    def unsettled(self, thread_id: str) -> list[Offer]:
        """Return the approved offers of a run that nothing has come of yet."""
        offers = (o for o in self.offers(thread_id=thread_id) if o.decision and not o.outcomes)
        return [o for o in offers if o.decision and o.decision.verdict == "approve"]

    def give_up(self, thread_id: str, made: Collection[str], why: str = outcomes.GONE) -> None:
        """End a run that cannot go on; `made` are the changes that it made all the same."""
        at = now()
        with self._transaction() as con:
            for offer in self.unsettled(thread_id):
                key = offer.proposal.id
                outcome = outcomes.of_a_lost_run(key, why, key in made)
                outcomes.write(con, outcome, offer.round, "pillion", at.isoformat())
            for offer in self.offers(thread_id=thread_id, waiting=True):
                closed = offering.closed(offer.proposal.id, f"{why}; {outcomes.AGAIN}", at)
                self._write_decision(offer, closed)
            con.execute(
                "UPDATE outbox SET delivered_at = ? WHERE thread_id = ? AND delivered_at IS NULL",
                (at.isoformat(), thread_id),
            )
            self._write_status(con, thread_id, "failed", at.isoformat(), why)

    def request_undo(self, proposal_id: str, actor: str) -> None:
        """Write down that a change is to be taken back, so that a crash cannot forget it.

        Raises `UnknownProposal`, `AlreadyUndone` or `NeverMade`; then nothing is written.
        """
        with self._transaction() as con:
            self.offer_of(proposal_id)
            undos.ask(con, proposal_id, actor, now())

    def check_undoable(self, proposal_id: str) -> None:
        """Raise `AlreadyUndone` or `NeverMade` when there is no change to take back."""
        undos.check(self._con, proposal_id)

    def drop_undo_request(self, proposal_id: str) -> None:
        """Forget a request that the product refused; nothing was changed."""
        with self._transaction() as con:
            undos.drop(con, proposal_id, now())

    def undo_requests(self) -> list[UndoRequest]:
        """Return what is still to be taken back, oldest first."""
        return undos.kept(self._con)

    def proposal(self, proposal_id: str) -> Proposal:
        """Return the latest offer's proposal."""
        return self.offer_of(proposal_id).proposal

    def decision(self, thread_id: str, proposal_id: str) -> Decision | None:
        """Return the standing answer to the offer that a run made."""
        row = self._con.execute(
            "SELECT d.body FROM proposals AS p LEFT JOIN decisions AS d"
            " ON d.proposal_id = p.id AND d.round = p.round"
            " WHERE p.id = ? AND p.thread_id = ? ORDER BY p.round DESC LIMIT 1",
            (proposal_id, thread_id),
        ).fetchone()
        return Decision.model_validate_json(row[0]) if row and row[0] else None

    def refusals(self, product: str) -> dict[str, Refusal]:
        """Return ideas that were rejected, or taken back after approval, and not approved since.

        An offer that ran out unanswered says nothing: the answer before it still counts.
        """
        found = self._con.execute(ANSWERED, (product,)).fetchall()
        return memory.refused(map(self._offer, found))

    # judges

    @contextmanager
    def judge_changes(self, person: str) -> Iterator[Callable[..., None]]:
        """Keep everybody else from changing who serves; yields what notes it in the trail.

        What is noted is kept where the block ends well.
        """
        with self._transaction() as con:

            def note(action: str, judge_id: str, **body: str) -> None:
                audit.append(con, now().isoformat(), f"person:{person}", action, judge_id, **body)

            yield note

    def has_judge_change(self, key: str) -> bool:
        """Return whether the trail holds the change of who serves that has that key."""
        return audit.holds_change(self._con, key)

    # audit

    def audit_rows(self, limit: int | None = None) -> list[audit.AuditRow]:
        """Return the audit trail, oldest first."""
        return list(audit.rows(self._con, limit))

    def audit_about(self, subjects: Iterable[str]) -> list[audit.AuditRow]:
        """Return the rows of the trail about some proposals or runs, oldest first."""
        return list(audit.about(self._con, subjects))

    def verify(self) -> audit.Verification:
        """Check the audit trail and what it vouches for, all as it stands at one moment."""
        with self.unchanging():
            return audit.verify(self._con)


def _ideas(offers: Iterable[Offer]) -> set[tuple[str, str]]:
    return {(o.proposal.product, idea_key(o.proposal.change)) for o in offers}
