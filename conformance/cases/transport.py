"""TLS: HTTPS only, modern, with a certificate that everybody can check, and HTTP/1.1 and HTTP/2 over it."""

from __future__ import annotations

from conformance.catalogue import Safety, case
from conformance.oracle import ANY, Consequence
from conformance.requests.changes import channel
from conformance.requests.request import Channel
from conformance.steps import Blocked, Case, Handshake, NotApplicable, Probe, Twin, fact_of
from conformance.subject import Subject
from conformance.verdict import Expect, ExpectFact, Level, accepted, delivered_at_best
from conformance.wire.hello import WEAK_SUITES, Offer

_UNREACHED = "Tradecloud cannot connect; no event arrives."
_READ = "Somebody on the way can read the events and the credentials, or change them."
_HOW_IT_ENDS = ("completed", "refused", "no-answer")
_COMPLETED = ExpectFact(_HOW_IT_ENDS, must=frozenset({"completed"}))
#: A silent end keeps the door shut, but nobody saw that it was the server who did it.
_SHUT = ExpectFact(_HOW_IT_ENDS, must=frozenset({"refused", "no-answer"}), should=frozenset({"refused"}))
_NOT_OPEN = ExpectFact(_HOW_IT_ENDS, must=frozenset(_HOW_IT_ENDS), should=frozenset({"refused"}))
_VERSIONS = {
    "nginx": "ssl_protocols TLSv1.2 TLSv1.3;",
    "iis": "SCHANNEL\\Protocols in the registry, or IIS Crypto; then start the machine again.",
    "dotnet": "Kestrel leaves it to the system: SslProtocols.None, and the system's policy.",
    "sap": "ssl/ciphersuites of the ICM with the bit for TLS 1.2 as the oldest version.",
}


def _path(subject: Subject) -> str:
    return subject.operation(subject.endpoints[0]).path


def _alive(subject: Subject) -> Offer:
    return Offer("a modern handshake", ("TLSv1.2", "TLSv1.3"), path=_path(subject))


def _refused_by_the_server(subject: Subject, offers: tuple[Offer, ...], expect: ExpectFact) -> Case:
    """These offers, after a proof that the server answers at all: a dead one refuses everything."""
    proof = ExpectFact(_HOW_IT_ENDS, must=frozenset({"completed"}), informative=True)
    alive = yield from fact_of(Handshake("a modern handshake first", _alive(subject), proof))
    if alive.value != "completed":
        yield Blocked("all", f"no modern handshake either ({alive.detail}): a refusal would prove nothing")
        return
    for offer in offers:
        yield Handshake(offer.name, offer, expect)


@case(
    "TLS-01",
    "A handshake with TLS 1.2 or 1.3 completes",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-2",),
    consequence=_UNREACHED,
    fix="Switch TLS 1.2 or 1.3 on at the address that Tradecloud is given.",
    hints=_VERSIONS,
)
def modern(subject: Subject) -> Case:
    yield Handshake("TLS 1.2 or 1.3", _alive(subject), _COMPLETED)


@case(
    "TLS-02",
    "TLS 1.2 and TLS 1.3 both work",
    level=Level.SHOULD,
    wave=1,
    requirements=("R-TRN-2",),
    consequence="The day Tradecloud needs the other one, no event arrives.",
    fix="Switch both on.",
    hints=_VERSIONS,
)
def both_versions(subject: Subject) -> Case:
    expect = ExpectFact(_HOW_IT_ENDS, must=frozenset(_HOW_IT_ENDS), should=frozenset({"completed"}))
    for version in ("TLSv1.2", "TLSv1.3"):
        yield Handshake(version, Offer(version, (version,), path=_path(subject)), expect)


@case(
    "TLS-03",
    "TLS 1.1 and TLS 1.0 are refused by the server",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-2", "RFC 8996"),
    consequence=_READ,
    fix="Switch TLS 1.0 and 1.1 off.",
    hints=_VERSIONS,
)
def old_versions(subject: Subject) -> Case:
    offers = tuple(Offer(version, (version,)) for version in ("TLSv1.1", "TLSv1"))
    yield from _refused_by_the_server(subject, offers, _SHUT)


@case(
    "TLS-04",
    "SSL 3.0 is refused by the server",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 7568",),
    consequence=_READ,
    fix="Switch SSL 3.0 off.",
    hints=_VERSIONS,
)
def ssl3(subject: Subject) -> Case:
    yield from _refused_by_the_server(subject, (Offer("SSLv3", ("SSLv3",)),), _SHUT)


@case(
    "TLS-05",
    "The chain leads to a trusted authority with nothing but what the server sends",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-3",),
    consequence=_UNREACHED + " Browsers hide this fault, because they fetch missing certificates.",
    fix="Install the intermediate certificates together with the server's own.",
    hints={
        "nginx": "ssl_certificate must be the full chain: the server's certificate first, then the intermediates.",
        "iis": "Import the intermediate into 'Intermediate Certification Authorities' of the computer.",
        "node": "https.createServer({cert: full chain}); `ca` is for client certificates.",
        "sap": "STRUST: import the certificate response together with its chain.",
    },
)
def chain(subject: Subject) -> Case:
    ends = ("completed", "certificate-untrusted", "refused", "no-answer")
    yield Handshake("chain", Offer("chain", verify="chain"), ExpectFact(ends, must=frozenset({"completed"})))


@case(
    "TLS-06",
    "The certificate names the host and is valid today",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-3",),
    consequence=_UNREACHED,
    fix="Get a certificate with the host in subjectAltName, and have it renewed three weeks before its end.",
)
def name_and_time(subject: Subject) -> Case:
    names = ("completed", "certificate-other-name", "refused", "no-answer")
    yield Handshake("host name", Offer("name", verify="name"), ExpectFact(names, must=frozenset({"completed"})))
    times = ("completed", "certificate-expires-soon", "certificate-expired", "certificate-not-yet-valid")
    expect = ExpectFact(
        (*times, "refused", "no-answer"), must=frozenset(times[:2]), should=frozenset({"completed"})
    )
    yield Handshake("validity", Offer("validity", verify="validity"), expect)


@case(
    "TLS-07",
    "The certificate comes from a public authority",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-3",),
    consequence=_UNREACHED,
    fix="Get a certificate from an authority that everybody knows, such as Let's Encrypt.",
)
def public_authority(subject: Subject) -> Case:
    faults = ("certificate-self-signed", "certificate-unknown-authority", "refused", "no-answer")
    ends = ("completed", "certificate-private", *faults)
    offer = Offer("issuer", verify="issuer")
    if subject.claims.public_certificate:
        yield Handshake("authority", offer, ExpectFact(ends, must=frozenset({"completed"})))
        return
    # In a laboratory the authority may be the profile's own, and whether it is a public one is only noted.
    yield Handshake("authority", offer, ExpectFact(ends, must=frozenset({"completed", "certificate-private"})))
    yield Handshake("public authority", offer, ExpectFact(ends, must=frozenset({"completed"}), informative=True))


@case(
    "TLS-08",
    "An event over plain HTTP is not delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-1",),
    consequence=_READ,
    fix="Close port 80 for the webhook, or refuse there; a redirect comes when the secrets have already travelled.",
    hints={
        "nginx": "No `listen 80` for this server, or `return 403;` there; not `return 301 https://…`.",
        "iis": "Remove the http binding of the site.",
        "dotnet": "UseHttpsRedirection() is not enough: do not listen on http at all.",
    },
)
def plain_http(subject: Subject) -> Case:
    expect = Expect(
        must=ANY - {Consequence.DELIVERED}, should=frozenset({Consequence.REFUSED, Consequence.NO_ANSWER})
    )
    for control in subject.goldens_in_each_form():
        where = f"{control.endpoint} {control.form}"
        change = channel("plain HTTP at the TLS port", Channel(plain=True))
        port = subject.profile.plain_port
        yield Twin(f"{where}: at the TLS port", control, change, expect)
        yield Twin(
            f"{where}: at the plain port",
            control,
            channel("plain HTTP at its own port", Channel(plain_port=port)),
            expect,
        )


@case(
    "TLS-09",
    "Suites without encryption, without authentication, EXPORT, RC4 and 3DES are refused",
    level=Level.SHOULD,
    wave=1,
    requirements=("RFC 9325 4.1",),
    consequence=_READ,
    fix="Leave the choice of suites to a current system, or use the list of RFC 9325.",
    hints={"nginx": "ssl_ciphers HIGH:!aNULL:!eNULL:!EXPORT:!RC4:!3DES;", "iis": "IIS Crypto, 'Best Practices'."},
)
def weak_suites(subject: Subject) -> Case:
    offers = tuple(Offer(what, ("TLSv1.2",), codes) for what, codes in WEAK_SUITES.items())
    yield from _refused_by_the_server(subject, offers, _NOT_OPEN)


@case(
    "TLS-10",
    "No client certificate is needed",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence=_UNREACHED + " Tradecloud shows no client certificate.",
    fix="Do not demand a client certificate at this address.",
    hints={"nginx": "ssl_verify_client off;", "iis": "SSL settings: client certificates 'Ignore'."},
)
def no_client_certificate(subject: Subject) -> Case:
    offer = Offer("no client certificate", path=_path(subject), request=True)
    yield Handshake("no client certificate", offer, _COMPLETED)


@case(
    "TLS-11",
    "HTTP/1.1 works where nothing else is offered; HTTP/2, if negotiated, delivers too",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-5",),
    consequence=_UNREACHED,
    fix="Offer http/1.1 in ALPN, and h2 only if the application behind it really answers.",
)
def protocols(subject: Subject) -> Case:
    ends = ("http/1.1", "no-alpn", "refused", "no-answer")
    only_old = Offer("http/1.1", alpn=("http/1.1",), path=_path(subject))
    expect = ExpectFact(ends, must=frozenset({"http/1.1", "no-alpn"}))
    yield Handshake("HTTP/1.1 is chosen", only_old, expect)
    for control in subject.goldens_in_each_form():
        yield Probe(f"{control.endpoint} {control.form} over HTTP/1.1", control, accepted())
    yield from _http2(subject)


def _http2(subject: Subject) -> Case:
    ends = ("h2", "no-alpn", "refused", "no-answer")
    # A server that knows no h2 may end the handshake (RFC 7301, section 3.2); only who claims it should choose it.
    expect = ExpectFact(ends, must=frozenset(ends), should=frozenset({"h2"}), informative=not subject.claims.http2)
    chosen = yield from fact_of(
        Handshake("HTTP/2 is chosen", Offer("h2", alpn=("h2",), path=_path(subject)), expect)
    )
    if chosen.value != "h2":
        yield NotApplicable("over HTTP/2", "the server did not choose h2")
        return
    change = channel("over HTTP/2", Channel(alpn=("h2",)))
    for control in subject.goldens_in_each_form():
        yield Twin(f"{control.endpoint} {control.form} over HTTP/2", control, change, delivered_at_best())


@case(
    "TLS-12",
    "A POST in TLS 1.3 early data is not processed",
    level=Level.SHOULD,
    wave=3,
    requirements=("RFC 8470",),
    consequence="Whoever recorded the first bytes of a connection can have the event processed again.",
    fix="Switch early data (0-RTT) off, or answer 425 (Too Early).",
    safety=Safety.INTRUSIVE,
    hints={"nginx": "ssl_early_data off;"},
)
def early_data(subject: Subject) -> Case:
    ends = ("not-offered", "rejected", "too-early", "no-answer", "refused", "processed")
    expect = ExpectFact(ends, must=frozenset(ends), should=frozenset(ends) - {"processed", "no-answer"})
    yield Handshake("early data", Offer("early data", ("TLSv1.3",), early_data=True, path=_path(subject)), expect)
