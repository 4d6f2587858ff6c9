"""media_relay: the packet path in process."""

from tools.benchmarks.row import Row, at_most
from tools.benchmarks.source import GoogleBenchmark

SRTP = GoogleBenchmark('//services/media_relay/core:srtp_session_benchmark')
RELAY = GoogleBenchmark('//services/media_relay/core:relay_core_benchmark')

ROWS = [
    Row('media.srtp.protect_aes_cm', 'SRTP protect, 172 octets, AES-CM-128 with SHA1-80', 'ns', SRTP,
        'BM_Protect/0', at_most(330)),
    Row('media.srtp.protect_aes_gcm', 'SRTP protect, 172 octets, AES-128-GCM', 'ns', SRTP,
        'BM_Protect/3', at_most(160)),
    Row('media.core.channel_data_1000', 'ChannelData to peer in the core, 1000 allocations', 'ns', RELAY,
        'BM_ChannelDataToPeer/1000'),
    Row('media.core.channel_data_4900', 'ChannelData to peer in the core, 4900 allocations', 'ns', RELAY,
        'BM_ChannelDataToPeer/4900'),
    Row('media.core.allocate', 'authenticated Allocate and its end in the core', 'us', RELAY,
        'BM_AuthenticatedAllocateAndRefreshToZero', scale=1e-3),
]
