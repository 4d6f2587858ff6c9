// Any datagrams to one end of DTLS-SRTP: nothing crashes, a stranger gets no
// key, and what is kept and sent stays small.

#include "services/media_relay/core/dtls_endpoint.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;               // NOLINT(build/namespaces)
  using namespace sallyport::media_relay;  // NOLINT(build/namespaces)
  static const auto* const identity = new std::shared_ptr<const DtlsIdentity>(
      DtlsIdentity::Create(absl::UnixEpoch()).value());
  // Of nobody's certificate.
  static const CertificateFingerprint far = CertificateFingerprint::Of(
      CertificateFingerprint::Hash::kSha256, AsBytes("nobody"));
  if (size < 1 || size > 16384) return 0;
  ByteSpan input(data, size);
  MonoTime now = MonoTime::FromOrigin(absl::Hours(1));
  DtlsEndpoint endpoint(*identity, SrtpProfiles::Default());
  endpoint.Update(far, static_cast<DtlsSetup>(input[0] % 3), now);
  endpoint.OnPath(now);
  input.remove_prefix(1);
  while (!input.empty()) {
    // A byte of time or of size, then a datagram.
    const uint8_t what = input.front();
    input.remove_prefix(1);
    if (what >= 0xF0) {
      now += absl::Milliseconds(100 << (what & 7));
      endpoint.OnDeadline(now);
    } else {
      const size_t wanted = static_cast<size_t>(what) * 8;
      const ByteSpan datagram = input.first(std::min(wanted, input.size()));
      input.remove_prefix(datagram.size());
      endpoint.OnDatagram(datagram, now);
    }
    size_t sent = 0;
    for (const std::string& out : endpoint.TakeDatagrams()) {
      SP_CHECK(out.size() <= DtlsAssociation::kMtu);
      ++sent;
    }
    SP_CHECK(sent <= 8);
    SP_CHECK(!endpoint.TakeKeys().has_value());
    SP_CHECK(endpoint.state() != DtlsEndpoint::State::kEstablished);
  }
  return 0;
}
