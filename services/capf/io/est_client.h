// Asks another authority by EST (RFC 7030).

#ifndef SALLYPORT_SERVICES_CAPF_IO_EST_CLIENT_H_
#define SALLYPORT_SERVICES_CAPF_IO_EST_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/est_message.h"
#include "services/common/crypto/secret.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {

struct EstOptions {
  std::string host;  // a DNS name that its certificate bears
  uint16_t port = 443;
  std::string path_prefix = "/.well-known/est";
  std::string trust_pem;  // whom its certificate must come from
  // How we prove ourselves: a certificate, or "user:password", or both.
  std::string certificate_chain_pem;
  Secret private_key_pem;
  Secret credentials;
  absl::Duration timeout = absl::Seconds(30);  // of the whole exchange
};

// What came of one exchange. A value.
struct EstResult {
  // OK, or as CertificatesOfAnswer(), and of the connection: EST_UNREACHABLE,
  // EST_TIMEOUT (UNAVAILABLE both), EST_UNTRUSTED (PERMISSION_DENIED: its
  // certificate, or its name).
  absl::Status status;
  std::vector<std::string> certificates;      // DER, in the answer's order
  std::optional<absl::Duration> retry_after;  // when the server said so
};

// One connection for each exchange, made and used on the caller's thread, which
// waits. Thread-safe.
class EstClient {
 public:
  // INVALID_ARGUMENT if trust, certificate or key cannot be read.
  static absl::StatusOr<std::unique_ptr<EstClient>> Create(EstOptions options);

  // The same server and proof under another path (RFC 7030 section 3.2.2).
  std::unique_ptr<EstClient> At(std::string path_prefix) const;
  const EstOptions& options() const { return options_; }

  // RFC 7030 section 4.1.
  EstResult CaCerts() const;
  // Section 4.2: the same request again is how one asks whether it is done.
  EstResult Enroll(const std::string& csr_der, bool again) const;

 private:
  EstClient(EstOptions options, std::shared_ptr<const TlsContext> tls)
      : options_(std::move(options)), tls_(std::move(tls)) {}

  EstResult Exchange(EstRequest request) const;
  absl::StatusOr<HttpResponse> Ask(const std::string& request) const;

  const EstOptions options_;
  const std::shared_ptr<const TlsContext> tls_;
};

// Of an enrollment's answer, which need be in no order: the certificate with
// this key first, then who signed it, and so on, with `above` (of CaCerts())
// to choose from. INVALID_ARGUMENT, reason EST_MALFORMED, if none has the key.
absl::StatusOr<std::vector<std::string>> OrderChain(
    const std::vector<std::string>& answer,
    const std::vector<std::string>& above, const std::string& spki);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_EST_CLIENT_H_
