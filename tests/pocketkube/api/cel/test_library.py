"""What Kubernetes adds to CEL, function by function: what it gives, what it is checked to be, and how it fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pocketkube.api import cel
from pocketkube.api.cel.library.catalogue import FUNCTIONS
from pocketkube.api.cel.library.function import parameters, result
from pocketkube.api.kinds import expressions

VALUES = {"text": "a1b2", "items": [3, 1, 2], "table": {"a": 1, "b": 2}}


def run(source: str) -> Any:
    return cel.compile_expression(source, ("text", "items", "table")).run(VALUES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # loops with two variables
        ("{'a': 1, 'b': 2}.all(k, v, k != '' && v > 0)", True),
        ("table.exists(k, v, k == 'b' && v == 2)", True),
        ("table.existsOne(k, v, v > 0)", False),
        ("items.all(i, v, v > i - 2)", True),
        ("items.exists(i, v, i == 1 && v == 1)", True),
        ("[1, 2, 3].transformList(i, v, i * v)", [0, 2, 6]),
        ("[1, 2, 3].transformList(i, v, i > 0, v)", [2, 3]),
        ("table.transformList(k, v, v).sort()", [1, 2]),
        ("table.transformMap(k, v, v + 1)", {"a": 2, "b": 3}),
        ("table.transformMap(k, v, v > 1, k)", {"b": "b"}),
        ("items.transformMap(i, v, v)", {0: 3, 1: 1, 2: 2}),
        ("table.transformMapEntry(k, v, {string(v): k})", {"1": "a", "2": "b"}),
        ("['x', 'y'].transformMapEntry(i, v, v == 'y', {v: i})", {"y": 1}),
        # formats
        ("format.dns1123Label().validate('good-name').hasValue()", False),
        ("format.dns1123Label().validate('Bad').value().size()", 1),
        ("format.dns1123Subdomain().validate('a.b').hasValue()", False),
        ("format.dns1035Label().validate('1a').hasValue()", True),
        ("format.dns1123LabelPrefix().validate('a-').hasValue()", False),
        ("format.dns1123Label().validate('a-').hasValue()", True),
        ("format.qualifiedName().validate('example.com/a').hasValue()", False),
        ("format.labelValue().validate('-').hasValue()", True),
        ("format.uri().validate('http://a.b/c').hasValue()", False),
        ("format.uri().validate('a b').hasValue()", True),
        ("format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()", False),
        ("format.uuid().validate('123').value()", ["does not match the UUID format"]),
        ("format.byte().validate('aGVsbG8=').hasValue()", False),
        ("format.byte().validate('!').orValue(['none'])", ["invalid base64"]),
        ("format.date().validate('2026-11-21').hasValue()", False),
        ("format.date().validate('2026-13-21').value()", ["invalid date"]),
        ("format.datetime().validate('2026-11-21T03:00:00Z').hasValue()", False),
        ("format.datetime().validate('2026-11-21T03:00:61Z').hasValue()", True),
        ("format.named('dns1123Label').value().validate('A').hasValue()", True),
        ("format.named('nothing').hasValue()", False),
        ("format.named(text).optMap(f, f.validate('a')).hasValue()", False),
        ("items.map(x, format.dns1035Label().validate('a' + string(x)).hasValue())", [False, False, False]),
        # quantities
        ("quantity('200M') == quantity('0.2G')", True),
        ("quantity('50M').isLessThan(quantity('50Mi'))", True),
        ("quantity('50k').add(20).isLessThan(quantity('50020'))", False),
        ("quantity('50k').sub(quantity('20')) == quantity('49.98k')", True),
        ("quantity('50k').add(20).sub(quantity('100k')).sub(-50000).asInteger()", 20),
        ("quantity('50.703k').asApproximateFloat()", 50703.0),
        ("quantity('9999999999999999999999G').isInteger()", False),
        ("quantity('-1').sign()", -1),
        ("isQuantity('10Mm')", False),
        # semantic versions
        ("semver('1.2.3').compareTo(semver('1.2.10'))", -1),
        ("semver('1.0.0-beta.2').isLessThan(semver('1.0.0-beta.11'))", True),
        ("semver('1.0.0+a') == semver('1.0.0+b')", True),
        ("semver('v01.2', true).major()", 1),
        ("isSemver('v1.0.0')", False),
        ("isSemver('v1.0', true)", True),
        # addresses
        ("ip('2001:db8::abcd').family()", 6),
        ("ip.isCanonical('2001:DB8::ABCD')", False),
        ("isIP('::ffff:1.2.3.4')", False),
        ("isIP('fe80::1%eth0')", False),
        ("ip('0.0.0.0').isUnspecified()", True),
        ("ip('255.255.255.255').isGlobalUnicast()", False),
        ("ip('169.254.169.254').isGlobalUnicast()", False),
        ("ip('192.168.0.1').isGlobalUnicast()", True),
        ("ip('224.0.0.1').isLinkLocalMulticast()", True),
        ("ip('224.0.1.1').isLinkLocalMulticast()", False),
        ("ip('ff02::1').isLinkLocalMulticast()", True),
        ("ip('fd80::1').isLinkLocalUnicast()", False),
        ("string(ip('2001:DB8::1'))", "2001:db8::1"),
        ("cidr('192.168.0.0/24').containsIP('192.168.0.1')", True),
        ("cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))", False),
        ("cidr('2001:db8::/32').containsCIDR('2001:db8::/33')", True),
        ("cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))", False),
        ("cidr('192.168.0.1/24').ip() == ip('192.168.0.1')", True),
        ("string(cidr('192.168.0.1/24').masked())", "192.168.0.0/24"),
        ("cidr('192.168.0.1/24').prefixLength()", 24),
        ("isCIDR('10.0.0.0') || isCIDR('10.0.0.0/33') || isCIDR('10.0.0.0/08') || isCIDR('10.0.0.0/255.0.0.0')", False),
        # URLs
        ("url('https://[::1]:80/').getHostname()", "::1"),
        ("url('https://u:p@example.com:80/').getHost()", "example.com:80"),
        ("url('/path').getScheme() + url('/path').getHost() + url('/path').getPort()", ""),
        ("url('https://example.com/with space/').getEscapedPath()", "/with%20space/"),
        ("url('https://e.com/p?k=a&k=b&q=').getQuery()['k']", ["a", "b"]),
        ("isURL('../relative') || isURL('')", False),
        # lists
        ("[1, 2, 2].isSorted() && ['a', 'b'].isSorted() && [].isSorted()", True),
        ("[duration('1s'), duration('2s')].sum()", timedelta(seconds=3)),
        ("[timestamp('2026-01-02T00:00:00Z'), timestamp('2026-01-01T00:00:00Z')].min().getFullYear()", 2026),
        ("[1.5, 2.0].sum()", 3.5),
        ("[1u, 3u].max()", 3),
        ("['b', 'a'].min()", "a"),
        ("[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1)", 2),
        ("[1, 2].indexOf(3)", -1),
        ("[3, 1, 2].sortBy(x, -x)", [3, 2, 1]),
        ("lists.range(3).slice(1, 3)", [1, 2]),
        ("sets.intersects([1], [2, 1]) && sets.equivalent([1, 1], [1])", True),
        # regular expressions and text
        ("text.find('[0-9]+')", "1"),
        ("text.findAll('[0-9]', 1)", ["1"]),
        ("text.findAll('x')", []),
        ("'a,b,c'.split(',', 2).join('|')", "a|b,c"),
        ("'hello'.charAt(1) + 'hello'.substring(3) + 'hello'.substring(0, 1)", "eloh"),
        ("'hello'.replace('l', 'L', 1) + 'ab'.reverse()", "heLloba"),
        ("strings.quote('a\"b')", '"a\\"b"'),
        ("'%s %d %.2f %x'.format(['a', 1, 2.5, 255])", "a 1 2.50 ff"),
        ("' a '.trim().upperAscii()", "A"),
        ("base64.encode(b'hello')", "aGVsbG8="),
        ("base64.decode('aGVsbG8=') == b'hello'", True),
        ("jsonpatch.escapeKey('a~/b')", "a~0~1b"),
        # numbers and optional values
        ("1 < 1.5 && 2u <= 2 && 2.5 > 1u", True),
        ("[?table.?nothing, ?table.?a]", [1]),
        ("{?'x': table.?nothing}.size()", 0),
        ("table[?'a'].optMap(v, v + 1).orValue(0)", 2),
        ("optional.ofNonZeroValue('').or(optional.of('x')).value()", "x"),
        ("math.greatest(1, 2, 3) - math.abs(-1)", 2),
        ("cel.bind(x, quantity('1'), x.isLessThan(quantity('2')))", True),
    ],
)  # fmt: skip
def test_functions(source: str, expected: Any) -> None:
    assert run(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("quantity('10Mo')", "quantities must match the regular expression"),
        ("quantity('9999999999999999999999G').asInteger()", "cannot convert value to integer"),
        ("ip('10.0.0')", 'IP Address "10.0.0" parse error during conversion from string: ParseAddr'),
        ("ip('::ffff:1.2.3.4')", 'IPv4-mapped IPv6 address "::ffff:1.2.3.4" is not allowed'),
        ("ip('fe80::1%eth0')", 'IP address "fe80::1%eth0" with zone value is not allowed'),
        ("cidr('192.168.0.0/')", 'netip.ParsePrefix("192.168.0.0/"): bad bits after slash: ""'),
        ("url('nothing')", 'URL parse error during conversion from string: parse "nothing": invalid URI for request'),
        ("semver('1.2')", "Invalid semantic version"),
        ("[].min()", "min called on empty list"),
        ("table.transformMapEntry(k, v, {'same': v})", "insert failed: key 'same' already exists"),
        ("optional.none().value()", "optional.none() dereference"),
        ("table.nothing", "no such key: nothing"),
        ("format.named('nothing').value()", "optional.none() dereference"),
    ],
)
def test_failures(source: str, words: str) -> None:
    with pytest.raises(cel.EvaluationError) as failed:
        run(source)
    assert words in str(failed.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("quantity(1)", "1:9: found no matching overload for 'quantity' applied to '(int)'"),
        ("quantity('1') == 1", "found no matching overload for '_==_' applied to '(kubernetes.Quantity, int)'"),
        ("quantity('1').isLessThan('2')", "'isLessThan' applied to 'kubernetes.Quantity.(string)'"),
        ("quantity('1').isLessThan(semver('1.0.0'))", "applied to 'kubernetes.Quantity.(kubernetes.Semver)'"),
        ("quantity('1').value", "type 'kubernetes.Quantity' does not support field selection"),
        ("cidr(192168)", "found no matching overload for 'cidr' applied to '(int)'"),
        ("isQuantity([1, 2, 3])", "found no matching overload for 'isQuantity' applied to '(list(int))'"),
        ("ip('1.2.3.4').containsIP('1.2.3.4')", "'containsIP' applied to 'net.IP.(string)'"),
        ("[true].sum()", "found no matching overload for 'sum' applied to 'list(bool).()'"),
        ("'a'.charAt('b')", "found no matching overload for 'charAt' applied to 'string.(string)'"),
        ("sets.contains([1], 1)", "found no matching overload for 'sets.contains' applied to '(list(int), int)'"),
        ("text.matches('[')", "1:14: invalid matches argument\n | text.matches('[')\n | .............^"),
        ("duration('1 day') > duration('1s')", "1:10: invalid duration argument"),
        ("timestamp('yesterday')", "invalid timestamp argument"),
        ("timestamp('2026-13-01T00:00:00Z')", "invalid timestamp argument"),
        ("[1, 'a']", "1:5: expected type 'int' but found 'string'"),
        ("true &&\n [['a'], [1]].size() > 0", "<input>:2:10: expected type 'list(string)' but found 'list(int)'"),
        ("{'a': [1, true]}", "expected type 'int' but found 'bool'"),
        ("[1, 2].map(x, [x, 'a'])", "expected type 'int' but found 'string'"),
        ("nothing", "undeclared reference to 'nothing' (in container '')"),
        ("text.all(k, v)", "undeclared reference to 'v'"),
        ("'a'.all(x, x == '')", "expression of type 'string' cannot be the range of a comprehension"),
        ("true ? quantity('1') : ip('::')", "'_?_:_' applied to '(bool, kubernetes.Quantity, net.IP)'"),
        ("text.", "1:6: Syntax error: no viable alternative at input '.'"),
        ("1 +\n nothing", "ERROR: <input>:2:2: undeclared reference to 'nothing' (in container '')"),
    ],
)
def test_wrong_types(source: str, words: str) -> None:
    with pytest.raises(cel.CompileError) as wrong:
        run(source)
    assert words in str(wrong.value)
    assert str(wrong.value).startswith("compilation failed: ERROR: <input>:")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("text", "dyn"),
        ("1 + 1", "int"),
        ("format.dns1123Label().validate('a')", "optional_type"),
        ("table.?a", "optional_type"),
        ("[text, 1, 'a']", "list"),
        ("'%s %d'.format(['a', 1])", "string"),
        ("[?table.?a, 1]", "list"),
        ("text.matches('[a-z]+') && duration('1h') > duration('1s')", "bool"),
        ("['a']", "list"),
        ("quantity('1')", "kubernetes.Quantity"),
        ("[1].sum() + [2].min()", "int"),
        ("format.dns1123Label().validate('a').hasValue()", "bool"),
        ("{'a': 1}.transformMap(k, v, v)", "map"),
        ("null", "null_type"),
    ],
)
def test_types(source: str, expected: str) -> None:
    assert cel.compile_expression(source, ("text", "table")).type == expected


@pytest.mark.parametrize(
    ("source", "variables", "words"),
    [
        pytest.param("request.nothing", cel.CONDITION, "1:8: undefined field 'nothing'", id="request"),
        pytest.param("request.userInfo.name == ''", cel.CONDITION, "undefined field 'name'", id="userInfo"),
        pytest.param("request.namespace + 1", cel.CONDITION, "applied to '(string, int)'", id="namespace"),
        pytest.param("request.userInfo.groups[0] == 1", cel.CONDITION, "applied to '(string, int)'", id="groups"),
        pytest.param("namespaceObject.spec.nothing", cel.POLICY, "undefined field 'nothing'", id="namespaceObject"),
        pytest.param("authorizer.allowed()", cel.CONDITION, "applied to 'kubernetes.authorization.Authorizer.()'", id="authorizer"),
        pytest.param("authorizer.group('').check('get')", cel.CONDITION, "GroupCheck.(string)'", id="group alone"),
        pytest.param("params", cel.CONDITION, "undeclared reference to 'params'", id="no params"),
        pytest.param("request.user.name", cel.AUTHORIZATION, "field selection", id="access"),
        pytest.param("request.resourceAttributes.verbs", cel.AUTHORIZATION, "undefined field 'verbs'", id="attributes"),
        pytest.param("user.name", cel.USER, "undefined field 'name'", id="user"),
        pytest.param("user.name", cel.CLAIMS, "1:1: undeclared reference to 'user' (in container '')\n | user.name\n | ^", id="claims"),
    ],
)  # fmt: skip
def test_variables(source: str, variables: tuple[str, ...], words: str) -> None:
    with pytest.raises(cel.CompileError) as wrong:
        cel.compile_expression(source, variables)
    assert words in str(wrong.value)


def test_variables_are_run_as_they_are() -> None:
    request = {"namespace": "a", "userInfo": {"groups": ["g"], "extra": {"k": ["v"]}}, "kind": {"group": "apps"}}
    source = "request.namespace == 'a' && 'g' in request.userInfo.groups && request.userInfo.extra['k'][0] == 'v'"
    program = cel.compile_expression(f"{source} && request.kind.group.startsWith('app')", cel.CONDITION)
    assert program.run({"request": request}) is True


def test_kinds_name_the_same_variables() -> None:
    assert expressions.CONDITION == cel.CONDITION


def test_signatures() -> None:
    assert parameters("map<string, list<string>>, int -> bool") == ["map<string, list<string>>", "int"]
    assert parameters(" -> string") == []
    assert result("string -> list<string>") == "list<string>"
    assert len({(f.name, len(parameters(s))) for f in FUNCTIONS for s in f.signatures}) == sum(
        len({len(parameters(s)) for s in f.signatures}) for f in FUNCTIONS
    ), "one implementation for a name and a number of parameters"
