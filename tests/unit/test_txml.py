"""The rules of tXML, one by one, and what is refused."""

from __future__ import annotations

import resource
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from service import txml
from service.contract import Contract, webhook_contracts
from service.parsed_body import MAX_DEPTH
from service.problems import BodyRefusedError, Problem

ORDER, SHIPMENT = (txml.Mapping(contract) for contract in webhook_contracts())


def read(inner: str, *, mapping: txml.Mapping = ORDER) -> Any:
    """What stands inside the root element."""
    return txml.read(f"<WebhookBody>{inner}</WebhookBody>".encode(), mapping).document


def order(inner: str) -> Any:
    """What stands inside an order."""
    return read(f"<orderEvent>{inner}</orderEvent>")["orderEvent"]


def reason(body: bytes | str, charset: str | None = None) -> str:
    """Why the body is refused."""
    with pytest.raises(BodyRefusedError) as caught:
        txml.read(body.encode() if isinstance(body, str) else body, ORDER, charset)
    assert caught.value.problem is Problem.BODY_REFUSED
    (finding,) = caught.value.findings
    return finding.reason


class TestValues:
    def test_type_comes_from_the_contract_and_not_from_the_text(self) -> None:
        line = order("<line><buyerLine><position>0001</position></buyerLine></line>")["lines"][0]
        assert line["buyerLine"]["position"] == "0001"
        assert order("<version>7</version>")["version"] == 7

    def test_number_keeps_every_digit(self) -> None:
        text = "12345678901234567890.123456789012345678901234567890"
        (line,) = order(f"<line><deliveryScheduleLine><quantity>{text}</quantity></deliveryScheduleLine></line>")[
            "lines"
        ]
        quantity = line["deliverySchedule"][0]["quantity"]
        assert isinstance(quantity, Decimal)
        assert str(quantity) == text

    @pytest.mark.parametrize("text", ["5", "05", "+5", "5.0", "5.", "5e0", "\n  5\t"])
    def test_number_may_be_written_in_any_of_the_usual_ways(self, text: str) -> None:
        assert order(f"<version>{text}</version>")["version"] == 5

    @pytest.mark.parametrize("text", ["1,5", "1 000", "٥", "1_000", "0x10", "NaN", "Infinity", "five"])
    def test_text_that_is_no_number_stays_a_text_for_the_validation_to_refuse(self, text: str) -> None:
        assert order(f"<version>{text}</version>")["version"] == text

    def test_number_of_too_many_digits_is_refused_with_its_place(self) -> None:
        found = reason(f"<WebhookBody>\n<orderEvent><version>{'1' * 4301}</version></orderEvent></WebhookBody>")
        assert found == "line 2, /WebhookBody/orderEvent/version: an integer of more than 4300 digits"

    def test_exponent_beyond_any_decimal_is_refused_with_its_place(self) -> None:
        found = reason(
            "<WebhookBody><orderEvent><version>1e99999999999999999999</version></orderEvent></WebhookBody>"
        )
        assert found.startswith("line 1, /WebhookBody/orderEvent/version: the exponent")

    @pytest.mark.parametrize(("text", "value"), [("true", True), (" false\n", False), ("TRUE", "TRUE"), ("1", "1")])
    def test_boolean_is_true_or_false_in_lower_case(self, text: str, value: object) -> None:
        indicators = order(f"<buyerOrder><indicators><shipped>{text}</shipped></indicators></buyerOrder>")
        assert indicators["buyerOrder"]["indicators"]["shipped"] is value or value == text

    def test_date_is_trimmed_and_text_is_not(self) -> None:
        found = order("<orderId> a </orderId><lastUpdatedAt>\n 2026-07-04T07:15:00Z </lastUpdatedAt>")
        assert found == {"orderId": " a ", "lastUpdatedAt": "2026-07-04T07:15:00Z"}

    def test_characters_references_cdata_and_comments_make_one_text(self) -> None:
        found = order("<orderId>Lloyd&apos;s<!-- no --> &amp;<![CDATA[ <b> ]]>&#233;<?pi x?>!</orderId>")
        assert found == {"orderId": "Lloyd's & <b> é!"}

    @pytest.mark.parametrize(
        "empty",
        [
            "<orderId/>", "<orderId></orderId>", "<version/>", "<version> \n </version>",
            "<lastUpdatedAt> </lastUpdatedAt>",
            "<buyerOrder/>", "<buyerOrder>\n</buyerOrder>", "<line/>", "<orderId><!-- nothing --></orderId>",
        ],
    )  # fmt: skip
    def test_empty_element_is_absent(self, empty: str) -> None:
        assert read(f"<orderEvent>{empty}</orderEvent>") == {"orderEvent": {}}


class TestLists:
    def test_one_element_is_a_list_of_one(self) -> None:
        assert order("<line><id>a</id></line>") == {"lines": [{"id": "a"}]}

    def test_items_among_other_elements_keep_their_order(self) -> None:
        found = order(
            "<buyerOrder><note>1</note><property><key>k</key></property><note>2</note>"
            "<companyId>c</companyId><property><key>l</key></property><note>3</note></buyerOrder>"
        )["buyerOrder"]
        assert found == {"notes": ["1", "2", "3"], "properties": [{"key": "k"}, {"key": "l"}], "companyId": "c"}

    def test_parent_decides_whether_a_name_is_a_list(self) -> None:
        found = order(
            "<buyerOrder><buyerParty><name>A</name><name>B</name></buyerParty></buyerOrder>"
            "<line><buyerLine><item><name>Pump</name></item></buyerLine></line>"
        )
        assert found["buyerOrder"]["buyerParty"]["names"] == ["A", "B"]
        assert found["lines"][0]["buyerLine"]["item"]["name"] == "Pump"

    def test_destination_is_one_in_an_order_and_a_list_in_a_shipment(self) -> None:
        one = order("<buyerOrder><destination><code>1</code></destination></buyerOrder>")
        assert one == {"buyerOrder": {"destination": {"code": "1"}}}
        place = "<destination><location><code>1</code></location></destination>"
        many = read(f"<shipment><locations>{place * 2}</locations></shipment>", mapping=SHIPMENT)
        assert len(many["shipment"]["locations"]["destinations"]) == 2

    @pytest.mark.parametrize(
        "element",
        [
            "deliveryScheduleIncludingRequestsLine",
            "deliveryScheduleLineIncludingRequests",
            "deliveryScheduleIncludingRequests",
        ],
    )
    def test_every_name_that_the_contract_lets_us_guess_is_read(self, element: str) -> None:
        item = f"<{element}><position>1</position></{element}>"
        found = order(f"<line>{item}{item}</line>")["lines"][0]
        assert found == {"deliveryScheduleIncludingRequests": [{"position": "1"}, {"position": "1"}]}

    def test_name_of_the_list_is_read_like_the_name_of_an_item(self) -> None:
        assert order("<buyerOrder><notes>a</notes><notes>b</notes></buyerOrder>")["buyerOrder"] == {
            "notes": ["a", "b"]
        }

    def test_list_inside_an_element_of_its_own_is_unpacked(self) -> None:
        found = order("<lines><line><id>1</id></line><line><id>2</id></line></lines><version>1</version>")
        assert found == {"lines": [{"id": "1"}, {"id": "2"}], "version": 1}
        notes = order("<buyerOrder><notes><note>a</note><note>b</note></notes></buyerOrder>")
        assert notes == {"buyerOrder": {"notes": ["a", "b"]}}

    @pytest.mark.parametrize("first", ["<labels>x</labels>", ""])
    def test_what_stands_beside_the_items_in_an_element_of_their_own_never_passes_for_a_member(
        self, first: str
    ) -> None:
        last = "" if first else "<labels>x</labels>"
        found = order(
            f'<buyerOrder><notes a="1">{first}<note>a</note>{last}</notes><label>b</label><notes/>'
            "<notes>c</notes></buyerOrder>"
        )["buyerOrder"]
        assert found == {"notes": ["a", "c"], "labels": ["b"], "notes/labels": "x", "notes/@a": "1"}

    def test_empty_items_in_an_element_of_their_own_leave_no_list(self) -> None:
        assert order("<lines><line/><line/></lines><version>1</version>") == {"version": 1}

    def test_empty_items_leave_no_list(self) -> None:
        assert order("<version>1</version><line/><line></line>") == {"version": 1}


class TestWhatTheContractDoesNotKnow:
    def test_unknown_element_is_kept_as_text_object_or_list(self) -> None:
        assert read("<a>1</a><b><c>x</c></b><d>1</d><d>2</d><e/>") == {
            "a": "1", "b": {"c": "x"}, "d": ["1", "2"], "e": None,
        }  # fmt: skip

    def test_attributes_are_kept_beside_what_they_belong_to(self) -> None:
        found = order(
            '<line status="new"><deliveryScheduleLine><quantity unit="PCE">5</quantity></deliveryScheduleLine>'
            "</line>"
        )
        assert found == {
            "lines": [{"@status": "new", "deliverySchedule": [{"quantity": 5, "quantity@unit": "PCE"}]}]
        }

    def test_attribute_of_the_root_of_an_empty_object_and_of_an_unknown_element_are_kept(self) -> None:
        body = b'<WebhookBody v="2"><orderEvent n="1"/><new k="x">y</new></WebhookBody>'
        assert txml.read(body, ORDER).document == {
            "@v": "2", "orderEvent": {"@n": "1"}, "new": "y", "new@k": "x",
        }  # fmt: skip

    def test_text_between_elements_is_kept(self) -> None:
        assert order("before<version>1</version>after") == {"#text": ["before", "after"], "version": 1}

    def test_element_of_another_namespace_never_passes_for_ours(self) -> None:
        body = b'<WebhookBody xmlns:e="urn:e"><eventName>A</eventName><e:eventName>B</e:eventName></WebhookBody>'
        assert txml.read(body, ORDER).document == {"eventName": "A", "{urn:e}eventName": "B"}

    @pytest.mark.parametrize("prefix", ["", "t:"])
    def test_namespace_of_the_root_is_ours_whatever_its_prefix(self, prefix: str) -> None:
        declaration = f'xmlns{":t" if prefix else ""}="urn:tradecloud"'
        body = f"<{prefix}WebhookBody {declaration}><{prefix}eventName>A</{prefix}eventName></{prefix}WebhookBody>"
        assert txml.read(body.encode(), ORDER).document == {"eventName": "A", "@xmlns": "urn:tradecloud"}

    def test_identity_of_an_element_is_an_attribute_like_any_other(self) -> None:
        body = b'<WebhookBody><a xml:id="1">x</a><b xml:id="1">y</b></WebhookBody>'
        identity = "@{http://www.w3.org/XML/1998/namespace}id"
        assert txml.read(body, ORDER).document == {"a": "x", f"a{identity}": "1", "b": "y", f"b{identity}": "1"}

    def test_no_break_space_is_a_text(self) -> None:
        assert order("<version>1</version>\u00a0<a b='1'>\u00a0</a>") == {
            "#text": "\u00a0", "version": 1, "a": "\u00a0", "a@b": "1",
        }  # fmt: skip

    def test_order_of_elements_means_nothing(self) -> None:
        assert read("<orderEvent><version>1</version></orderEvent><eventName>A</eventName>") == read(
            "<eventName>A</eventName><orderEvent><version>1</version></orderEvent>"
        )

    def test_text_where_an_object_should_be_is_left_to_the_validation(self) -> None:
        assert read("<orderEvent>text</orderEvent>") == {"orderEvent": "text"}

    def test_elements_where_a_text_should_be_are_left_to_the_validation(self) -> None:
        assert order("<orderId><a>1</a></orderId>") == {"orderId": {"a": "1"}}

    def test_schema_that_the_body_names_is_not_looked_for(self) -> None:
        body = (
            b'<WebhookBody xmlns:x="http://www.w3.org/2001/XMLSchema-instance" '
            b'x:noNamespaceSchemaLocation="http://127.0.0.1:9/a.xsd"><eventName>A</eventName></WebhookBody>'
        )
        document: Any = txml.read(body, ORDER).document
        assert document["eventName"] == "A"
        assert "@{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation" in document


class TestAmbiguous:
    """Different bodies whose values are the same, so that only their bytes tell them apart."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ('<note lang="en">a</note><note>b</note>', '<note>a</note><note lang="en">b</note>'),
            ('<new lang="en">a</new><new>b</new>', '<new>a</new><new lang="en">b</new>'),
            ("text<note>a</note>", "<note>a</note>text"),
        ],
    )
    def test_body_with_the_values_of_another_is_marked(self, one: str, other: str) -> None:
        bodies = [
            f"<WebhookBody><orderEvent><buyerOrder>{part}</buyerOrder></orderEvent></WebhookBody>".encode()
            for part in (one, other)
        ]
        first, second = (txml.read(body, ORDER) for body in bodies)
        assert first.document == second.document
        assert first.ambiguous
        assert second.ambiguous

    def test_attributes_of_objects_are_not_ambiguous(self) -> None:
        body = b'<WebhookBody a="1"><orderEvent b="2"><line c="3"/></orderEvent></WebhookBody>'
        assert not txml.read(body, ORDER).ambiguous


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (
                "<WebhookBody>\n<orderEvent>\n<a></b></orderEvent></WebhookBody>",
                "line 3, column 8, in /WebhookBody/orderEvent/a: Opening and ending tag mismatch",
            ),
            ("<WebhookBody><a>&nbsp;</a></WebhookBody>", "line 1, column 23, in /WebhookBody/a: Entity 'nbsp' not"),
            ("<WebhookBody/><WebhookBody/>", "line 1, column 15: Extra content"),
            ("<WebhookBody><a:b/></WebhookBody>", "line 1, column 18: Namespace prefix a"),
            ("<WebhookBody>\x01</WebhookBody>", "line 1, column 14, in /WebhookBody: "),
            ("<WebhookBody>&#0;</WebhookBody>", "line 1, column 18, in /WebhookBody: "),
            ("<WebhookBody a='1' a='2'/>", "line 1, column 25: Attribute a redefined"),
            ("<WebhookBody>", "line 1, column 14, in /WebhookBody: "),
            ("", "line 1, column 1: "),
            ('{"eventName": "A"}', "line 1, column 1: Start tag expected"),
        ],
    )  # fmt: skip
    def test_body_that_is_not_well_formed_is_refused_with_line_path_and_reason(
        self, body: str, expected: str
    ) -> None:
        found = reason(body)
        assert found.startswith(expected), found
        assert found.count("line") == 1 or "line" in expected

    def test_other_root_is_refused_by_name(self) -> None:
        assert reason("\n<Envelope/>") == "line 2, /Envelope: the root element is not WebhookBody"

    def test_single_member_twice_is_refused_with_its_place(self) -> None:
        found = reason("<WebhookBody><eventName>A</eventName>\n<eventName>B</eventName></WebhookBody>")
        assert found.startswith("line 2, /WebhookBody/eventName[2]: this element stands twice")

    def test_depth_at_the_limit_is_read_and_beyond_it_refused(self) -> None:
        def nested(levels: int) -> str:
            return "<WebhookBody>" + "<a>" * levels + "x" + "</a>" * levels + "</WebhookBody>"

        document: Any = txml.read(nested(MAX_DEPTH).encode(), ORDER).document
        depth = 0
        while isinstance(document, dict):
            depth, document = depth + 1, document["a"]
        assert depth == MAX_DEPTH
        assert f"nested deeper than {MAX_DEPTH} levels" in reason(nested(MAX_DEPTH + 1))
        assert "depth" in reason(nested(100_000))

    @pytest.mark.parametrize(
        "doctype",
        [
            "<!DOCTYPE WebhookBody>",
            '<!DOCTYPE WebhookBody SYSTEM "file:///etc/passwd">',
            '<!DOCTYPE WebhookBody [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE WebhookBody [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
            '<!DOCTYPE WebhookBody [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
            "<!-- -->\n<?p ?><!DOCTYPE WebhookBody>",
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_any_document_type_is_refused(self, doctype: str, encoding: str) -> None:
        body = f"{doctype}<WebhookBody><eventName>A</eventName></WebhookBody>".encode(encoding)
        assert "a document type (DOCTYPE) is not taken" in reason(body)

    def test_the_word_doctype_in_a_text_or_comment_is_no_document_type(self) -> None:
        body = b"<!-- <!DOCTYPE x> --><WebhookBody><eventName><![CDATA[<!DOCTYPE x>]]></eventName></WebhookBody>"
        assert txml.read(body, ORDER).document == {"eventName": "<!DOCTYPE x>"}

    def test_inclusion_is_refused_because_the_body_would_not_be_whole(self) -> None:
        body = (
            '<WebhookBody xmlns:xi="http://www.w3.org/2001/XInclude"><a>\n'
            '<xi:include href="file:///etc/passwd" parse="text"/></a></WebhookBody>'
        )
        assert reason(body).endswith("an inclusion (XInclude) is not taken")
        assert reason(body).startswith("line 2, ")

    def test_stylesheet_is_not_looked_for(self) -> None:
        body = (
            b'<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?><WebhookBody><eventName>A</eventName></WebhookBody>'
        )
        assert txml.read(body, ORDER).document == {"eventName": "A"}

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("<WebhookBody>" + "<a/>" * 1_000_001 + "</WebhookBody>", "more than 1000000 elements"),
            ("<WebhookBody " + " ".join(f"a{i}='1'" for i in range(10_001)) + "/>", "more than 10000 attributes"),
            ("<WebhookBody a='" + "x" * 10_000_001 + "'/>", "limit exceeded"),
            ("<WebhookBody><a>" + "x" * 10_000_001 + "</a></WebhookBody>", "limit exceeded"),
            ("<WebhookBody><" + "n" * 60_000 + "/></WebhookBody>", "too long"),
        ],
        ids=["elements", "attributes", "attribute", "text", "name"],
    )
    def test_absurd_amounts_are_refused(self, body: str, expected: str) -> None:
        found = reason(body)
        assert expected in found
        assert len(found) < 600

    @pytest.mark.parametrize(
        "attack",
        [
            # a billion laughs, a quadratic blow-up, a file
            '<!DOCTYPE W [<!ENTITY a "aaaaaaaaaa">'
            + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
            + "]><WebhookBody><eventName>&j;</eventName></WebhookBody>",
            f'<!DOCTYPE W [<!ENTITY a "{"a" * 100_000}">]><WebhookBody>{"&a;" * 10_000}</WebhookBody>',
            '<!DOCTYPE W [<!ENTITY a SYSTEM "file:///dev/zero">]><WebhookBody>&a;</WebhookBody>',
            "<WebhookBody>" + "<a>" * 1_000_000,
            "<WebhookBody a='" + "x" * 30_000_000,
            "<WebhookBody" + "".join(f" a{i}=''" for i in range(900_000)) + "/>",
            "<WebhookBody" + "".join(f" xmlns:a{i}='u'" for i in range(600_000)) + "/>",
            "<WebhookBody>" + "<a b=''/>" * 900_000 + "</WebhookBody>",
            "<WebhookBody>" + "<a>1</a>" * 900_000,
            "<WebhookBody>" + "<a>1</a>" * 900_000 + "</WebhookBody",
        ],
        ids=[
            "billion-laughs",
            "quadratic",
            "endless-file",
            "depth",
            "attribute",
            "attributes-of-one-element",
            "namespaces",
            "attributes-of-many-elements",
            "unclosed",
            "error-at-the-end",
        ],
    )
    def test_attack_is_refused_within_a_little_memory_and_processor_time(self, attack: str, tmp_path: Any) -> None:
        (tmp_path / "attack.xml").write_text(attack)
        # Up to its end, a body of many elements is as good as any: it takes what a large one takes, once.
        times_its_size = 40 if "<a>1</a>" in attack else 3
        program = (
            "import re\n"
            "from pathlib import Path\n"
            "from service import txml\n"
            "from service.contract import webhook_contracts\n"
            "from service.problems import BodyRefusedError\n"
            "def most():\n"
            "    status = Path('/proc/self/status').read_text()\n"
            "    return int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) * 1024\n"
            "mapping = txml.Mapping(webhook_contracts()[0])\n"
            f"body = open({str(tmp_path / 'attack.xml')!r}, 'rb').read()\n"
            "used = most()\n"
            "try:\n"
            "    txml.read(body, mapping)\n"
            "except BodyRefusedError:\n"
            "    print(most() - used)\n"
        )
        # The kernel ends it after ten seconds of processor time, the start included: an expansion takes far longer.
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            timeout=120,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (10, 10)),
        )
        assert int(done.stdout) < times_its_size * len(attack) + 20_000_000

    def test_memory_that_runs_out_in_the_parser_is_not_the_senders_mistake(self) -> None:
        program = (
            "import resource\n"
            "from service import txml\n"
            "from service.contract import webhook_contracts\n"
            "mapping = txml.Mapping(webhook_contracts()[0])\n"
            "body = b'<WebhookBody>' + b'<a/>' * 900_000 + b'</WebhookBody>'\n"
            "txml.read(b'<WebhookBody/>', mapping)\n"
            "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (used + 3_000_000, -1))\n"
            "try:\n"
            "    txml.read(body, mapping)\n"
            "except MemoryError:\n"
            "    print('out of memory')\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=120)
        assert done.stdout == b"out of memory\n"

    def test_texts_that_look_like_attributes_are_none(self) -> None:
        note = "<![CDATA[<p a='1' b='2'>]]> a='1' <!-- <p a='1'/> --> x=\"y\" &lt;p a='1'>" * 11_000
        (read_back,) = order(f"<buyerOrder><note>{note}</note></buyerOrder>")["buyerOrder"]["notes"]
        assert read_back.startswith("<p a='1' b='2'> a='1'  x=\"y\" <p a='1'>")

    def test_namespace_declared_at_each_element_is_no_flood_of_attributes(self) -> None:
        notes = "<note xmlns=''>a</note>" * 11_000
        assert len(order(f"<buyerOrder>{notes}</buyerOrder>")["buyerOrder"]["notes"]) == 11_000


class TestEncodings:
    TEXT = "<WebhookBody><eventName>Größe – 5 €</eventName></WebhookBody>"

    @pytest.mark.parametrize(
        ("encoding", "charset"),
        [
            ("utf-8", None), ("utf-8", "UTF-8"), ("utf-8", "us-ascii"), ("utf-8-sig", None),
            ("utf-8-sig", "utf-8"), ("utf-16", None), ("utf-16", "utf-16"), ("utf-16-le", None),
            ("utf-16-be", "UTF-16BE"), ("utf-32", None), ("windows-1252", "windows-1252"),
            ("windows-1252", "CP1252"), ("iso-8859-15", None), ("gb18030", "GB18030"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("declared", [True, False])
    def test_text_comes_through_in_every_encoding_that_holds_it(
        self, encoding: str, charset: str | None, declared: bool
    ) -> None:
        if encoding == "iso-8859-15":
            declared = True  # nothing else would say which encoding it is
        text = self.TEXT.replace("–", "-") if encoding == "iso-8859-15" else self.TEXT
        declaration = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>\n' if declared else ""
        parsed = txml.read((declaration + text).encode(encoding), ORDER, charset)
        assert parsed.document == {"eventName": text.removeprefix("<WebhookBody><eventName>").partition("<")[0]}
        assert parsed.remarks == ()

    @pytest.mark.parametrize("charset", [None, "iso-8859-1"])
    def test_utf_8_that_is_labelled_as_latin_1_is_not_garbled_and_counts_as_drift(
        self, charset: str | None
    ) -> None:
        body = ('<?xml version="1.0" encoding="ISO-8859-1"?>' + self.TEXT).encode()
        parsed = txml.read(body, ORDER, charset)
        assert parsed.document == {"eventName": "Größe – 5 €"}
        assert [remark.kind for remark in parsed.remarks] == ["wrong label"]

    def test_charset_of_the_label_goes_before_the_declaration(self) -> None:
        body = '<?xml version="1.0" encoding="iso-8859-1"?><WebhookBody><eventName>€</eventName></WebhookBody>'
        assert txml.read(body.encode("windows-1252"), ORDER, "windows-1252").document == {"eventName": "€"}

    def test_bytes_that_are_not_what_they_are_labelled_as_are_refused_with_the_place(self) -> None:
        assert reason(b"<WebhookBody>\xff</WebhookBody>").startswith(
            "line 1, column 14, in /WebhookBody: Invalid bytes"
        )
        assert reason(b"<WebhookBody>\x81</WebhookBody>", "windows-1252").startswith("not cp1252 at byte 13")

    @pytest.mark.parametrize(
        "charset", ["klingon", "utf-7", "cp037", "unicode_escape", "idna", "rot13", "hz", "", "\0"]
    )
    @pytest.mark.parametrize("text", ["A", "é"])
    def test_charset_that_is_unknown_or_not_a_superset_of_ascii_is_415(self, charset: str, text: str) -> None:
        body = f"<WebhookBody><eventName>{text}</eventName></WebhookBody>".encode()
        with pytest.raises(BodyRefusedError) as caught:
            txml.read(body, ORDER, charset or "x-" + charset)
        assert caught.value.problem is Problem.UNSUPPORTED_MEDIA_TYPE


class TestOtherContracts:
    """What a contract may say in its xml objects (OpenAPI 3.0) beyond what ours does."""

    @staticmethod
    def mapping(properties: Any, **members: Any) -> txml.Mapping:
        root = {"type": "object", "properties": properties, "xml": {"name": "Root"}} | members
        return txml.Mapping(Contract({"components": {"schemas": {"WebhookBody": root}}}))

    def test_items_without_a_name_have_that_of_the_list(self) -> None:
        mapping = self.mapping({"notes": {"type": "array", "items": {"type": "string"}}})
        body = b"<Root><notes>a</notes><notes>b</notes></Root>"
        assert txml.read(body, mapping).document == {"notes": ["a", "b"]}
        assert txml.read(txml.write({"notes": ["a", "b"]}, mapping), mapping).document == {"notes": ["a", "b"]}

    @pytest.mark.parametrize("item", ["note", "notes"])
    def test_wrapped_list_is_read_and_written_with_its_wrapper(self, item: str) -> None:
        items = {"type": "string", "xml": {"name": item}}
        mapping = self.mapping({"notes": {"type": "array", "items": items, "xml": {"wrapped": True}}})
        body = txml.write({"notes": ["a", "b"]}, mapping)
        assert body.endswith(f"<Root><notes><{item}>a</{item}><{item}>b</{item}></notes></Root>".encode())
        assert txml.read(body, mapping).document == {"notes": ["a", "b"]}

    def test_member_with_another_name_in_xml_is_read_and_written(self) -> None:
        mapping = self.mapping({"orderId": {"type": "string", "xml": {"name": "OrderID"}}})
        body = txml.write({"orderId": "1"}, mapping)
        assert body.endswith(b"<Root><OrderID>1</OrderID></Root>")
        assert txml.read(body, mapping).document == {"orderId": "1"}

    @pytest.mark.parametrize("root", ["Root", "WebhookBody"])
    def test_every_root_that_the_contract_lets_us_guess_is_read(self, root: str) -> None:
        mapping = self.mapping({"a": {"type": "string"}}, **{"x-xml-also-read": ["WebhookBody"]})
        assert txml.read(f"<{root}><a>1</a></{root}>".encode(), mapping).document == {"a": "1"}
        assert b"<Root>" in txml.write({"a": "1"}, mapping)
