"""The forms of the panel's frequencies: made and changed; the next times while they are typed."""

import re
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.times import later
from chalicelib.services import frequencies
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import administrator
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import SHOP, START
from tests.support.panel import Browser, Shown
from tests.support.panel import visitor as logged_in
from tests.support.panel_frequencies import (
    PATH,
    SCRIPT,
    USERS,
    audience,
    form_of,
    make,
    rows,
    stored,
    typed,
)


@pytest.fixture
def anna(world: World, monkeypatch: pytest.MonkeyPatch) -> Browser:
    set_api_clock(monkeypatch, world.clock)
    return logged_in(login="anna", now=START)


def test_one_is_made_as_the_form_says(anna: Browser) -> None:
    shown = anna.post(
        f"{PATH}/_new", typed(is_express="on", content_id="week-48", starts_at="2026-11-24T08:00")
    )
    assert (shown.path, "Created." in shown.text) == (f"{PATH}/news?done=created", True)
    made = frequencies.find("news", administrator("anna"))
    row = stored()
    assert (row.period, row.cron, row.starts_at) == (7200, None, "2026-11-24T08:00:00.000Z")
    assert (row.author, row.recipients, row.owns_audience) == ("administrator:anna", 3, True)
    said = "There is something new.\n\nCome!"
    assert made.content == Content("mail", "News", said, True, "week-48", None, None)
    for expected in ("every 2 hours", "2026-11-24 08:00:00", "2026-11-24 16:00:00", "week-48", "Come!"):
        assert expected in shown.text
    assert f'href="../../admin/notifications/{row.notification_id}"' in shown.html


def test_one_by_cron_by_a_template_and_to_an_audience(anna: Browser) -> None:
    to = audience()
    fields = typed(
        kind="cron", cron=" 30  9 * * MON-FRI ", time_zone="Europe/Moscow", template="order_shipped@1",
        **{"variables.order": "A-1047"}, whom="audience", audience_id=to, is_paused="on",
    )  # fmt: skip
    shown = anna.post(f"{PATH}/_new", fields)
    made = frequencies.find("news", administrator("anna"))
    row = stored()
    assert (row.period, row.cron, row.time_zone) == (None, "30 9 * * MON-FRI", "Europe/Moscow")
    assert (row.audience_id, row.owns_audience, row.is_paused) == (to, False, True)
    assert (made.content.template, made.content.variables) == ("order_shipped@1", {"order": "A-1047"})
    assert "from Monday to Friday at 09:30" in shown.text
    assert "None: it is paused." in shown.text
    resumed = anna.post(f"{PATH}/news/resume", {"version": str(row.version)})
    assert "2026-11-24 06:30:00 (there 09:30)" in resumed.text


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"slug": "News"}, "slug", "must be 1 to 64 of a-z"),
        ({"slug": "_new"}, "slug", "must be 1 to 64 of a-z"),
        ({"period": "0"}, "period", "Input should be greater than or equal to 1"),
        ({"period": "1e3"}, "period", "must be a whole number"),
        ({"period": ""}, "period", "must be a whole number"),
        ({"period": "99999999", "unit": "week"}, "period", "Input should be less than or equal to"),
        ({"kind": "cron", "cron": ""}, "cron", "must have five fields"),
        ({"kind": "cron", "cron": "61 * * * *"}, "cron", "Bad minute"),
        ({"kind": "cron", "cron": "0 0 30 2 *"}, "cron", "Bad day-of-month"),
        ({"kind": "cron", "cron": "* * * * *", "time_zone": SCRIPT}, "time_zone", "is not an IANA time zone"),
        ({"starts_at": "tomorrow"}, "starts_at", "must be a date and a time"),
        ({"starts_at": "0001-01-01T00:00"}, "starts_at", "must be from 2000 to 2199"),
        ({"ends_at": "2026-11-20T10:00"}, "ends_at", "must be after the start"),
        ({"title": ""}, "title", "String should have at least 1 character"),
        ({"title": "T" * 201}, "title", "String should have at most 200 characters"),
        ({"text": " "}, "text", "must not be blank"),
        ({"text": "x" * 3_701, "type": "telegram"}, "text", "at most 3700 characters by telegram"),
        ({"type": "pigeon"}, "type", "unknown channel"),
        ({"template": "nothing"}, "template", "there is no template &#39;nothing&#39;"),
        ({"template": "order_shipped@1"}, "variables.order", "required"),
        ({"users": ""}, "users", "at least one user is needed"),
        ({"users": "1"}, "users", "not every line is the id of a user"),
        ({"whom": "audience"}, "audience_id", "choose an audience, or paste its id"),
        ({"whom": "audience", "audience_id": str(UUID(int=1))}, "audience_id", "there is no such audience"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_refused_beside_its_field(
    world: World, anna: Browser, changed: dict[str, str], field: str, reason: str
) -> None:
    shown = anna.post(f"{PATH}/_new", typed(**changed))
    assert shown.status == 422
    error = re.search(rf'id="e-{re.escape(field)}">([^<]*)<', shown.html)
    assert error, shown.text
    assert reason in error[1]
    assert rows(world) == [[], [], []]
    sent, again = typed(**changed), form_of(shown, "new-frequency")
    assert again["period"] == sent["period"]
    assert again["users"].split() == sent["users"].split()


def test_bad_lines_are_told_and_nothing_is_made(world: World, anna: Browser) -> None:
    lines = [str(USERS[0]), *(f"{SCRIPT}{number}" for number in range(30)), "=cmd|' /C calc'!A0"]
    shown = anna.post(f"{PATH}/_new", typed(users="\n".join(lines)))
    assert shown.status == 422
    told = shown.html.partition('id="bad-lines"')[2].partition("</ul>")[0]
    assert told.count("<li>") == 21
    assert "Line 2:" in told
    assert "and 11 further lines" in told
    assert "<script>alert" not in shown.html
    assert rows(world) == [[], [], []]


def test_a_taken_name_and_an_open_audience_are_refused(world: World, anna: Browser) -> None:
    make()
    shown = anna.post(f"{PATH}/_new", typed())
    assert (shown.status, "there is a frequency 'news' already" in shown.text) == (409, True)
    opened = audience(is_complete=False)
    shown = anna.post(f"{PATH}/_new", typed(slug="other", whom="audience", audience_id=opened))
    assert (shown.status, "the audience is open, and must be complete" in shown.text) == (422, True)
    assert opened not in anna.get(f"{PATH}/_new").html
    assert len(world.table("FREQUENCIES_TABLE")) == 1


def test_a_list_of_the_longest_is_not_shown_again(world: World, anna: Browser) -> None:
    shown = anna.post(f"{PATH}/_new", typed(users="\n".join(str(uuid4()) for _ in range(5_000)), title=""))
    assert shown.status == 422
    assert len(shown.html.encode()) < 100_000
    assert "It is too long to be shown again" in shown.text
    assert rows(world) == [[], [], []]


def test_a_text_of_the_longest_is_kept_and_not_shown_again(anna: Browser) -> None:
    shown = anna.post(f"{PATH}/_new", typed(text="<" * 50_000, title=""))
    assert (shown.status, len(shown.html.encode()) < 100_000) == (422, True)
    form = form_of(shown, "new-frequency")
    assert form["text"] == ""
    anna.post(f"{PATH}/_new", form | {"title": "News"})
    assert frequencies.find("news", administrator("anna")).content.text == "<" * 50_000


class TestTimes:
    def times(self, browser: Browser, **changed: str) -> Shown:
        asked = "&".join(f"{name}={value}" for name, value in changed.items())
        return browser.get(f"{PATH}/_times?{asked}", {"HX-Request": "true"})

    def test_the_next_five_are_shown(self, anna: Browser) -> None:
        shown = self.times(anna, kind="period", period="90", unit="minute")
        assert re.findall(r"(\d\d:\d\d):00<", shown.html) == ["11:30", "13:00", "14:30", "16:00", "17:30"]
        assert "<html" not in shown.html
        shown = self.times(
            anna, kind="cron", cron="0+9+*+*+1", time_zone="Asia/Tokyo", ends_at="2026-12-08T00:00"
        )
        assert re.findall(r"(\d\d-\d\d \d\d:\d\d):00<", shown.html) == ["11-30 00:00", "12-07 00:00"]
        assert "there 09:00" in shown.text

    def test_in_the_viewers_zone(self, anna: Browser) -> None:
        anna.cookies["vestnik-zone"] = "Europe%2FMoscow"
        shown = self.times(anna, kind="period", period="1", unit="day", starts_at="2026-11-25T12:00")
        assert "2026-11-25 12:00:00" in shown.text
        assert 'datetime="2026-11-25T09:00:00.000Z"' in shown.html

    def test_of_one_that_there_is_they_are_those_it_will_have(self, world: World, anna: Browser) -> None:
        make()
        world.clock.advance(1_000)
        form = form_of(anna.get(f"{PATH}/news/edit"), "edit-frequency")
        shown = self.times(anna, **{name: form[name] for name in ("kind", "period", "unit", "created_at")})
        assert re.findall(r"(\d\d:\d\d):00<", shown.html) == ["11:00", "12:00", "13:00", "14:00", "15:00"]

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            ({"kind": "period", "period": "x"}, "must be a whole number"),
            ({"kind": "period", "period": "0"}, "greater than or equal to 1"),
            ({"kind": "cron", "cron": "1+2"}, "must have five fields"),
            ({"kind": "cron", "cron": "%3Cscript%3E+*+*+*+*"}, "Bad minute"),
            ({"kind": "cron", "cron": "*+*+*+*+*", "time_zone": "%3Cscript%3E"}, "is not an IANA time zone"),
            ({"kind": "period", "period": "5", "unit": "day", "ends_at": "2026-11-24T00:00",
              "starts_at": "2026-11-22T00:00"}, "It would never run"),
            ({"kind": "period", "period": "5", "starts_at": "9999-12-31T23:59"}, "must be from 2000 to 2199"),
            ({"kind": "period", "period": "5", "created_at": "yesterday"}, "Input should be"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_said(self, anna: Browser, asked: dict[str, str], reason: str) -> None:
        shown = self.times(anna, **asked)
        assert (shown.status, reason in shown.text) == (200, True), shown.text
        assert "<script>" not in shown.html
        assert "<li>" not in shown.html

    def test_they_cost_no_request(self, world: World, anna: Browser) -> None:
        world.database.requests.clear()
        self.times(anna, kind="period", period="5")
        assert dict(world.database.requests) == {"GetItem": 1}  # who it is


def test_the_fields_of_a_template_come_when_it_is_chosen(anna: Browser) -> None:
    def chosen(fields: dict[str, str]) -> Shown:
        shown = anna.post(f"{PATH}/_said", fields, headers={"HX-Request": "true"})
        assert shown.status == 200
        assert "<script>" not in shown.html
        return shown

    shown = chosen({"template": "order_shipped@2"})
    assert 'name="variables.total"' in shown.html
    assert 'name="title"' not in shown.html
    for none in ("", "nothing", SCRIPT):
        assert chosen({"template": none}).html.count("<input") == 0
    before = {"variables.order": "A-1"}
    kept = '<input type="hidden" name="variables.order" value="A-1">'
    assert kept in chosen({"template": ""} | before).html
    assert (
        'name="variables.order" type="text" value="A-1"'
        in chosen({"template": "order_shipped@1"} | before).html
    )


def test_title_and_text_stay_in_the_page_whatever_is_chosen(anna: Browser) -> None:
    shown = anna.post(f"{PATH}/_new", typed(template="order_shipped@1"))
    form = form_of(shown, "new-frequency")
    assert (form["title"], form["text"]) == ("News", "There is something new.\n\nCome!")


class TestChanging:
    def edit(self, browser: Browser, **changed: str) -> Shown:
        form = form_of(browser.get(f"{PATH}/news/edit"), "edit-frequency")
        return browser.post(f"{PATH}/news/edit", form | changed)

    def test_what_is_not_touched_stays_and_makes_no_version(self, world: World, anna: Browser) -> None:
        made = make(
            timing={"period": 5400, "starts_at": later(START, 61)},
            content=Content("mail", "News", "One\n\ntwo", True, "id"),
        )
        before = rows(world)
        shown = self.edit(anna)
        assert "There was nothing to change." in shown.text
        assert rows(world) == before
        shown = self.edit(anna, title="Other news")
        assert "Saved." in shown.text
        after = frequencies.find("news", SHOP)
        assert (after.content.title, after.content.text, after.content.is_express) == (
            "Other news", "One\n\ntwo", True,
        )  # fmt: skip
        row, old = after.frequency, made.frequency
        assert (row.version, row.starts_at, row.period) == (old.version + 1, old.starts_at, 5400)
        assert (row.audience_id, row.author) == (old.audience_id, "application:shop")

    def test_a_period_becomes_a_cron_and_back(self, anna: Browser) -> None:
        notification = make().frequency.notification_id
        self.edit(anna, kind="cron", cron="0 8 * * *", time_zone="Europe/Moscow")
        row = stored()
        assert (row.period, row.cron, row.time_zone) == (None, "0 8 * * *", "Europe/Moscow")
        assert row.notification_id == notification
        self.edit(anna, kind="period", period="3", unit="day", ends_at="2026-12-24T12:00")
        row = stored()
        assert (row.period, row.cron, row.ends_at) == (259_200, None, "2026-12-24T12:00:00.000Z")
        self.edit(anna, ends_at="")
        row = stored()
        assert row.ends_at is None

    def test_of_a_template_a_variable(self, anna: Browser) -> None:
        by_template = Content("mail", "", "", False, None, "order_shipped@1", {"order": "A-1"})
        make(content=by_template)
        assert "There was nothing to change." in self.edit(anna).text
        self.edit(anna, **{"variables.order": "A-2"})
        content = frequencies.find("news", SHOP).content
        assert (content.template, content.variables) == ("order_shipped@1", {"order": "A-2"})

    @pytest.mark.parametrize("starts_at", ["2026-11-27T13:30:00Z", "2026-11-27T13:30:45.5+02:00"])
    def test_of_a_template_a_moment_stays_as_it_was_written(
        self, world: World, anna: Browser, starts_at: str
    ) -> None:
        variables = {"topic": "Plans", "starts_at": starts_at, "place": "Here"}
        make(content=Content("mail", "", "", False, None, "meeting@1", variables))
        before = rows(world)
        assert "There was nothing to change." in self.edit(anna).text
        assert rows(world) == before

    def test_recipients_are_others(self, anna: Browser) -> None:
        make()
        self.edit(anna, whom="users", users=str(uuid4()))
        row = stored()
        assert (row.recipients, row.owns_audience) == (1, True)
        to = audience(users=5)
        self.edit(anna, whom="audience", audience_id=to)
        row = stored()
        assert (row.recipients, row.audience_id) == (5, to)

    def test_a_long_text_is_kept_though_it_is_not_shown(self, anna: Browser) -> None:
        make(content=Content("mail", "News", "<" * 50_000))
        for path in (f"{PATH}/news", f"{PATH}/news/edit"):
            assert len(anna.get(path).html.encode()) < 100_000
        self.edit(anna, title="Other")
        content = frequencies.find("news", SHOP).content
        assert (content.title, content.text) == ("Other", "<" * 50_000)
        self.edit(anna, text="Short")
        assert frequencies.find("news", SHOP).content.text == "Short"

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"period": "-1"}, "must be a whole number"),
            ({"text": " "}, "must not be blank"),
            ({"whom": "users", "users": "x"}, "not every line"),
            ({"template": "order_shipped@1"}, "required"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_changes(
        self, world: World, anna: Browser, changed: dict[str, str], reason: str
    ) -> None:
        make()
        before = rows(world)
        shown = self.edit(anna, **changed)
        assert (shown.status, reason in shown.text) == (422, True), shown.text
        assert rows(world) == before

    def test_somebody_else_was_first(self, world: World, anna: Browser) -> None:
        made = make()
        form = form_of(anna.get(f"{PATH}/news/edit"), "edit-frequency")
        frequencies.change("news", Wanted(is_paused=True), SHOP, START)
        before = rows(world)
        for _ in range(2):  # sent again from the page that says so, it is refused again
            shown = anna.post(f"{PATH}/news/edit", form | {"title": "Mine"})
            assert (shown.status, "Somebody has changed it since" in shown.text) == (412, True)
            form = form_of(shown, "edit-frequency")
            assert form["title"] == "Mine"
        for action in ("pause", "resume", "delete"):
            shown = anna.post(f"{PATH}/news/{action}", {"version": str(made.frequency.version)})
            assert (shown.status, "Somebody has changed it since" in shown.text) == (412, True)
            assert anna.post(f"{PATH}/news/{action}").status == 412
        assert rows(world) == before
        assert f'name="version" value="{made.frequency.version + 1}"' in shown.html
