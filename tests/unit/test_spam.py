"""Spam headers count only where the operator believes them."""

from __future__ import annotations

import pytest

from helpdesk_daemon.mail.message import Headers
from helpdesk_daemon.mail.screening.spam import spam_reason


def fields(*lines: str) -> Headers:
    return Headers(tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines)))


@pytest.mark.parametrize(
    "line",
    [
        "X-Spam-Flag: YES",
        "X-Spam-Status: Yes, score=7.3 required=5.0 tests=BAYES_99",
        "X-Spam-Status: Yes, hits=11.0 required=5.0",
        "X-Spam-Score: 6.1",
        "X-Spam-Level: ******",
        "X-Spamd-Result: default: False [9.10 / 15.00]; R_SPF_FAIL(1.00)[-all]",
        "X-Rspamd-Score: 12",
        "X-Rspamd-Action: add header",
        "X-Barracuda-Spam-Status: Yes, SCORE=8.00 using global scores",
        "X-Proofpoint-Spam-Details: rule=inbound_spam policy=inbound score=100",
        "X-MS-Exchange-Organization-SCL: 6",
        "X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:;SCL:9;SRV:;",
    ],
)
def test_a_filter_says_spam(line: str) -> None:
    assert spam_reason(fields(line), 5.0)
    assert spam_reason(fields(line), None) == ""


@pytest.mark.parametrize(
    "line",
    [
        "X-Spam-Flag: NO",
        "X-Spam-Status: No, score=-1.9 required=5.0",
        "X-Spam-Score: 4.9",
        "X-Spam-Score: none",
        "X-Spam-Level: **",
        "X-Spamd-Result: default: False [-3.10 / 15.00]; DMARC_POLICY_ALLOW(-0.50)",
        "X-Rspamd-Action: no action",
        "X-Proofpoint-Spam-Details: rule=notspam policy=default score=0",
        "X-MS-Exchange-Organization-SCL: -1",
        "X-MS-Exchange-Organization-SCL: 1",
        "X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:1;",
        "Subject: X-Spam-Flag: YES",
    ],
)
def test_a_filter_does_not_say_spam(line: str) -> None:
    assert spam_reason(fields(line), 5.0) == ""


def test_the_operators_threshold_counts_not_the_filters() -> None:
    status = fields("X-Spam-Status: Yes, score=5.3 required=5.0", "X-Spam-Flag: YES")
    assert spam_reason(status, 8.0) == ""
    assert spam_reason(status, 5.0) == "spam score 5.3 in X-Spam-Status, threshold 5"


def test_the_topmost_field_of_a_name_counts() -> None:
    assert spam_reason(fields("X-Spam-Score: 0.1", "X-Spam-Score: 20"), 5.0) == ""
    assert spam_reason(fields("X-Spam-Score: 20", "X-Spam-Score: 0.1"), 5.0)
