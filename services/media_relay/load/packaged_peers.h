// coturn and rtpengine as Debian packages them, set up to relay the flows of a
// testbed on one core.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_PACKAGED_PEERS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_PACKAGED_PEERS_H_

#include <cstddef>
#include <string>

#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {

// One allocation and one channel per flow, without authentication: the data
// path is the same.
void StartCoturn(Testbed& testbed, size_t flows, const std::string& folder);
// One call per flow, RTP to RTP or to SDES-SRTP, forwarded in user space.
void StartRtpengine(Testbed& testbed, size_t flows, bool srtp,
                    const std::string& folder);

// The head of a ChannelData frame of the testbed's payload.
std::string ChannelPrefix();

// Sends `request` on a connected socket until an answer comes; ends the
// program when none does.
std::string Ask(int fd, const std::string& request, const std::string& what);
// A socket of flow `i` at its source address, connected to `to`. Inside the
// load's namespace.
int FlowSocket(const Testbed& testbed, size_t i, const Endpoint& to);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_PACKAGED_PEERS_H_
