// The heads of DTLS records: RFC 6347 section 4.1.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_RECORD_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_RECORD_H_

#include <cstdint>

#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {

// What a server of DTLS 1.2 may be given.
enum class DtlsDatagram : uint8_t {
  kBroken,  // not made of whole records of DTLS 1.0 or 1.2
  kClear,   // its first record is of epoch 0: anyone can have written it
  kSealed,  // epoch 1 or later throughout
};

// Pure; looks at heads alone. A library that is fed a part of a record may wait
// for the rest of it and take the next datagram for that, so that one forged
// datagram would silence an association: hence whole ones only.
DtlsDatagram ClassifyDtls(ByteSpan datagram);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_RECORD_H_
