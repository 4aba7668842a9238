"""Asks a server by Elasticsearch's and OpenSearch's own client libraries, as a user's program would.

Arguments: the server's address, a token that may do everything, a token that may read.
"""

import sys
import time
import warnings

from elasticsearch import ApiError, AuthenticationException, Elasticsearch, helpers
from elasticsearch.dsl import A, Q, Search
from opensearchpy import OpenSearch, RequestError
from opensearchpy import helpers as opensearch_helpers

ADDRESS, ADMIN, READ = sys.argv[1:4]
EVENTS = 250


def documents():
    """Logins of five users, one a second; every fifth fails."""
    for number in range(EVENTS):
        yield {
            "_index": "logs-test",
            "_op_type": "create",
            "@timestamp": f"2026-10-11T15:{number // 60:02}:{number % 60:02}Z",
            "message": f"login number {number} " + ("refused" if number % 5 == 0 else "accepted"),
            "user": {"name": f"user{number % 5}"},
            "source": {"ip": f"10.0.{number % 3}.7", "port": 40000 + number},
            "event": {"outcome": "failure" if number % 5 == 0 else "success"},
        }


def equal(found, expected, what):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def wait_until_searchable(client):
    for _ in range(600):
        if client.count(index="logs-*", q="message:login").body["count"] == EVENTS:
            return
        time.sleep(0.1)
    raise AssertionError("not everything became searchable")


def elasticsearch():
    writer = Elasticsearch(ADDRESS, api_key=ADMIN)
    stored, errors = helpers.bulk(writer, documents(), chunk_size=100)
    equal((stored, errors), (EVENTS, []), "bulk")

    client = Elasticsearch(ADDRESS, basic_auth=("anybody", READ))
    assert client.info()["version"]["number"].startswith("8.")
    assert client.ping()
    equal(client.cluster.health()["status"], "green", "health")
    wait_until_searchable(client)

    mine = {"match": {"message": "login"}}
    found = client.search(index="logs-*", query=mine, size=3, sort=[{"@timestamp": "desc"}])
    equal(found["hits"]["total"], {"value": EVENTS, "relation": "eq"}, "total")
    equal(found["hits"]["hits"][0]["_source"]["source"]["port"], 40000 + EVENTS - 1, "newest")

    # Page by page, to the end.
    ports, after = [], None
    while True:
        page = client.search(
            index="logs-*", query=mine, size=40, sort=[{"source.port": "asc"}], search_after=after
        )["hits"]["hits"]
        if not page:
            break
        after = page[-1]["sort"]
        ports += [hit["_source"]["source"]["port"] for hit in page]
    equal(ports, [40000 + number for number in range(EVENTS)], "search_after")

    scanned = helpers.scan(client, index="logs-*", query={"query": mine}, size=60)
    equal(len({hit["_id"] for hit in scanned}), EVENTS, "scan")
    ordered = helpers.scan(
        client,
        index="logs-*",
        query={"query": mine, "sort": [{"source.port": "desc"}]},
        preserve_order=True,
        size=100,
    )
    equal([hit["_source"]["source"]["port"] for hit in ordered], ports[::-1], "ordered scan")

    equal(client.count(query={"term": {"event.outcome": "failure"}})["count"], EVENTS // 5, "count")
    several = client.msearch(
        searches=[
            {"index": "logs-*"},
            {"query": {"term": {"user.name": "user1"}}, "size": 0},
            {},
            {"query": {"unknown": {}}},
        ]
    )["responses"]
    equal(several[0]["hits"]["total"]["value"], EVENTS // 5, "msearch")
    equal(several[1]["status"], 400, "msearch")

    capabilities = client.field_caps(index="logs-*", fields=["source.*", "@timestamp"])["fields"]
    equal(capabilities["source.ip"]["ip"]["aggregatable"], True, "field_caps")
    mapping = client.indices.get_mapping(index="logs-*").body
    properties = next(iter(mapping.values()))["mappings"]["properties"]
    equal(properties["user"]["properties"]["name"]["type"], "keyword", "mapping")
    indices = client.cat.indices(format="json")
    assert indices[0]["index"].startswith("nhatky-"), indices
    assert sum(int(line["docs.count"]) for line in indices) >= EVENTS
    assert "nhatky-" in client.cat.indices(v=True).body
    equal(client.indices.resolve_index(name="*")["indices"][0]["name"], "nhatky", "resolve")

    try:
        client.search(index="logs-*", aggs={"a": {"geohash_grid": {"field": "x"}}})
        raise AssertionError("an unknown aggregation was answered")
    except ApiError as error:
        equal(error.status_code, 400, "status")
        assert "not supported" in str(error), error
    try:
        Elasticsearch(ADDRESS, api_key="nonsense").search(index="*")
        raise AssertionError("a wrong token was let in")
    except AuthenticationException as error:
        equal(error.status_code, 401, "status")

    dsl(client)


def dsl(client):
    """The library's own objects for queries and aggregations."""
    search = (
        Search(using=client, index="logs-*")
        .query("match", message="login")
        .filter("term", event__outcome="success")
        .exclude("term", user__name="user1")
        .filter("range", **{"source.port": {"gte": 40100}})
        .sort("-source.port")
    )
    expected = [n for n in range(100, EVENTS) if n % 5 not in (0, 1)]
    response = search[0:5].execute()
    equal(response.hits.total.value, len(expected), "dsl total")
    equal([hit.source.port for hit in response], [40000 + n for n in expected[::-1][:5]], "dsl hits")
    equal(response.hits[0].user.name, f"user{expected[-1] % 5}", "dsl source")

    search = Search(using=client, index="logs-*").query(Q("match", message="login"))[0:0]
    search.aggs.bucket("users", A("terms", field="user.name", order={"_key": "asc"})).metric(
        "ports", "stats", field="source.port"
    ).bucket(
        "minutes", A("date_histogram", field="@timestamp", fixed_interval="1m")
    ).metric(
        "addresses", "cardinality", field="source.ip"
    )
    search.aggs.metric("p", "percentiles", field="source.port", percents=[50])
    response = search.execute()
    users = response.aggregations.users.buckets
    equal([bucket.key for bucket in users], [f"user{n}" for n in range(5)], "terms")
    first = [n for n in range(EVENTS) if n % 5 == 0]
    equal(users[0].ports.sum, float(sum(40000 + n for n in first)), "stats")
    equal(
        [bucket.doc_count for bucket in users[0].minutes.buckets],
        [len([n for n in first if n // 60 == minute]) for minute in range(5)],
        "date_histogram",
    )
    equal(users[0].minutes.buckets[0].addresses.value, 3, "cardinality")
    equal(response.aggregations.p.to_dict()["values"]["50.0"], 40124.0, "percentiles")


def opensearch():
    client = OpenSearch(ADDRESS, http_auth=("anybody", READ))
    assert client.info()["version"]["number"]
    assert client.ping()
    body = {
        "size": 1,
        "query": {"query_string": {"query": "message:refused AND user.name:user0"}},
        "aggs": {"o": {"terms": {"field": "event.outcome.keyword"}}},
    }
    found = client.search(index="logs-*", body=body)
    equal(found["hits"]["total"]["value"], EVENTS // 5, "total")
    equal(found["aggregations"]["o"]["buckets"], [{"key": "failure", "doc_count": EVENTS // 5}], "terms")
    equal(client.count(index="logs-*", body={"query": {"ids": {"values": ["1"]}}})["count"], 1, "ids")
    lines = [{}, {"size": 0, "query": {"match_phrase": {"message": "login number 7"}}}]
    equal(client.msearch(body=lines)["responses"][0]["hits"]["total"]["value"], 1, "msearch")
    assert client.field_caps(index="logs-*", fields="*")["fields"]["@timestamp"]["date"]
    assert client.indices.get_mapping(index="logs-*")["nhatky"]
    assert client.cat.indices(format="json")
    query = {"query": {"match": {"message": "login"}}}
    scanned = opensearch_helpers.scan(client, index="logs-*", query=query, size=100)
    equal(len({hit["_id"] for hit in scanned}), EVENTS, "scan")
    try:
        client.search(body={"query": {"fuzzy": {"user.name": "usr"}}})
        raise AssertionError("an unknown query was answered")
    except RequestError as error:
        equal(error.status_code, 400, "status")


# What the libraries warn of, such as a server without TLS on loopback, is not looked at here.
warnings.simplefilter("ignore")
elasticsearch()
opensearch()
print("ok")
