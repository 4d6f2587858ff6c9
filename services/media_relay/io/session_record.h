// What the log keeps of media sessions.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_SESSION_RECORD_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_SESSION_RECORD_H_

#include "services/media_relay/core/session_table.h"

namespace sallyport::media_relay {

// One structured line for each session that ended, with what its legs carried;
// limited lines for lost consent and failed handshakes. No address and no key.
void RecordNotice(const SessionNotice& notice);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_SESSION_RECORD_H_
