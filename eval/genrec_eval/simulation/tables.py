"""The results of ``genrec simulate`` as text for people."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_EFFECTS = {
    "item": "item: its share of likes",
    "user": "user: their share of likes",
    "category": "user's taste for its categories",
    "factors": "user's taste for it, factorised",
    "fatigue": "fatigue: more of the same",
    "leaving": "leaving: after a like",
    "returning": "coming back: a visit went well",
}
_FORETOLD = {"simulator": "simulator", "item_average": "item's average", "constant": "constant"}


def users_table(report: Json, folder: str) -> str:
    """Return what was learned and how it did on what was held out."""
    lines = [
        f"{report['users']} users, {report['items']} items, {report['categories']} categories, "
        f"{report['rows']} answers learned from",
        "",
        f"{'effect on the logit':<34}{'in the log':>12}{'± s.e.':>9}{'simulated':>12}",
        *(_effect(label, report["learned"][name]) for name, label in _EFFECTS.items()),
        "",
        *_answers(report["answers"]),
        "",
        *_visits(report["visits"]),
        "",
        f"All figures: {folder}",
    ]
    return "\n".join(lines)


def ab_table(results: Json, alpha: float, folder: str) -> str:
    """Return the lifts with their intervals, and what should be known of the test."""
    level = f"{1 - alpha:.0%}"
    users, both = results["users"], results["design"] == "both"
    everybody = users["a"] if both else users["a"] + users["b"]
    lines = [
        f"A  {results['a']}  {users['a']} users",
        f"B  {results['b']}  {users['b']} users",
        "",
        f"{'a user':<8}{'A':>10}{'B':>10}{'lift':>9}  {f'{level} interval':<20}  "
        f"{'at any look':<20}{'pairs' if both else 'CUPED':>7}  could stop",
        *(_lift(name, one, everybody) for name, one in results["lifts"].items()),
        "",
        f"Liked of what was looked at: A {results['like_share']['a']:.1%}, B {results['like_share']['b']:.1%}; "
        f"looked at: A {results['shown']['a']:.1f}, B {results['shown']['b']:.1f} items a user",
    ]
    if results["mismatch"]:
        p = results["mismatch_p"]
        lines.append(f"The arms' sizes are not what the split gives by chance (p = {p:.2g}): do not trust this.")
    note = "Simulated users are a model of the log, not people (docs/simulation.md)."
    return "\n".join([*lines, "", note, f"Every user's figures: {folder}"])


def _effect(label: str, found: Json | None) -> str:
    if found is None:
        return f"{label:<34}{'no times':>12}"
    assumed = " (assumed)" if found.get("assumed") else ""
    if found["error"] is None:
        return f"{label:<34}{'unknown':>12}{'':>9}{found['used']:>12.3f}{assumed}"
    half_life = ""
    if found["used"] and "half_life_days" in found:
        half_life = f"  half-life {_time(found['half_life_days'])}"
    return f"{label:<34}{found['weight']:>12.3f}{found['error']:>9.3f}{found['used']:>12.3f}{assumed}{half_life}"


def _answers(answers: Json | None) -> list[str]:
    if answers is None:
        return ["Nothing was held out to judge answers on."]
    lines = [f"{answers['rows']} answers held out", f"{'':<18}{'AUC':>9}{'GAUC':>9}{'log-loss':>9}{'ECE':>9}"]
    for name, label in _FORETOLD.items():
        row = answers[name]
        cells = "".join(_cell(row[key], 4) for key in ("auc", "gauc", "log_loss", "ece"))
        lines.append(f"{label:<18}{cells}")
    lines.append(f"liked: {answers['likes']['log']:.1%} in the log, {answers['likes']['simulated']:.1%} simulated")
    if "values" in answers:
        log, simulated = (answers["values"][name] for name in ("log", "simulated"))
        lines.append(
            f"value: {log['mean']:.3f} (s.d. {log['sd']:.3f}) in the log, "
            f"{simulated['mean']:.3f} (s.d. {simulated['sd']:.3f}) simulated"
        )
    return lines


def _visits(visits: Json | None) -> list[str]:
    if visits is None:
        return ["No times, or no visits that were held out: users look at whole lists and come once a day."]
    lines = [
        f"{visits['visits']} visits of {visits['users']} users held out",
        f"{'':<26}{'10 %':>9}{'median':>9}{'90 %':>9}{'KS':>9}",
    ]
    for name, label in (("items", "items a visit"), ("days_away", "days away")):
        for source in ("log", "simulated"):
            cells = "".join(_cell(value, 2) for value in visits[name][source].values())
            ks = _cell(visits[name]["ks"], 3) if source == "simulated" else ""
            lines.append(f"{f'{label}, {source}':<26}{cells}{ks}")
    back = visits["returned"]
    return [*lines, f"came back while the log ran: {back['log']:.1%} in the log, {back['simulated']:.1%} simulated"]


def _lift(name: str, one: Json, users: int) -> str:
    relative = "–" if one["relative"] is None else f"{one['relative']:+.2%}"
    interval = "–" if one["relative_interval"] is None else _range(one["relative_interval"])
    anytime = "–" if one["relative"] is None else _range([end / one["a"] for end in one["anytime"]])
    stop = f"after {one['stopped_after']} of {users} users" if one["stopped_after"] else "no"
    return (
        f"{name:<8}{one['a']:>10.3f}{one['b']:>10.3f}{relative:>9}  {interval:<20}  {anytime:<20}"
        f"{-one['variance_reduction']:>7.0%}  {stop}"
    )


def _cell(value: float | None, digits: int) -> str:
    return f"{'–' if value is None else f'{value:.{digits}f}':>9}"


def _range(ends: list[float]) -> str:
    return f"{ends[0]:+.2%} … {ends[1]:+.2%}"


def _time(days: float) -> str:
    number, unit = (days, "day") if days >= 1 else (24 * days, "hour")
    return f"{number:g} {unit}" + ("" if number == 1 else "s")
