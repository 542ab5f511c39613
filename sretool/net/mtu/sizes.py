"""Packet sizes worth asking about first, and what the protocols say about sizes at all."""

from __future__ import annotations

LEAST = {4: 68, 6: 1280}
"""What every link must carry: RFC 791 3.2, RFC 8200 5."""
USUAL_LEAST = {4: 576, 6: 1280}
"""A router that advertises less is broken, lies, or is a link nobody has any more (RFC 1191 7)."""
SMALL = 80
"""Room for all headers and what tells probes apart, and small enough for any link."""
MOST = {4: 65535, 6: 65575}
"""RFC 791 3.1 total length; RFC 8200 3 payload length and the header."""

# MTUs met in the field. RFC 1191 7.1, and what tunnels leave of 1500 and 9000: PPPoE 1492, GRE 1476 and
# 1472, 6in4 and IPIP 1480, VXLAN 1450, Geneve 1442, WireGuard 1420 and 1412, IPsec 1438 to 1358, LTE 1428,
# clouds 1460, 8500, 8896 and 9001, satellites and dial-up 1300 down to 576.
COMMON = (
    65535, 65520, 17914, 16110, 9216, 9198, 9180, 9001, 9000, 8981, 8976, 8951, 8950, 8942, 8920, 8896, 8500,
    8166, 4464, 4352, 2304, 2002, 1600, 1548, 1546, 1504, 1500, 1496, 1492, 1488, 1484, 1480, 1476, 1472,
    1468, 1464, 1460, 1456, 1454, 1452, 1450, 1448, 1446, 1442, 1440, 1438, 1436, 1434, 1430, 1428, 1426,
    1424, 1420, 1416, 1412, 1410, 1408, 1406, 1402, 1400, 1396, 1392, 1390, 1387, 1384, 1380, 1376, 1372,
    1370, 1366, 1362, 1360, 1358, 1354, 1350, 1346, 1344, 1340, 1330, 1320, 1310, 1300, 1290, 1280, 1272,
    1250, 1200, 1152, 1100, 1024, 1006, 900, 800, 700, 600, 576, 552, 544, 512, 508, 296, 128, 68,
)  # fmt: skip
WAYS, FEW, NEAR = 32, 20, 200
THRICE = 3


def coarse(low: int, high: int) -> list[int]:
    """A few sizes between two (neither included), largest first, of which few are likely to pass. When
    large frames are lost it is most often all above 1500, so that is asked exactly.
    """
    if high > 2000 and low < 1500:
        return [size for size in (9001, 8900, 8500, 4352) if size < high] + [1501] * THRICE + [1500]
    found = [size for size in (1460, 1400, 1280, 576) if low < size < high]
    return found[:3]


def wanted(low: int, high: int) -> list[int]:
    """What to ask next between a size that passes and one that does not, largest first. A size that may
    be the first that does not pass is asked three times.
    """
    gap = high - low - 1
    if gap <= FEW:
        return [size for size in range(high - 1, low, -1) for _ in range(THRICE)]
    common = {size for size in COMMON if low < size < high}
    if common and gap <= NEAR:
        found = [*([high - 1] * THRICE)]
        for size in sorted(common, reverse=True):
            found += [size + 1] * (THRICE if size + 1 < high else 0) + [size]
        return [*found, *([low + 1] * THRICE if low in COMMON else ())]
    part = [size for size in coarse(low, high) if low < size < high]
    return part or sorted({low + gap * part // (WAYS + 1) for part in range(1, WAYS + 1)}, reverse=True)
