// Certificates of servers from the authority above us, by EST.

#ifndef SALLYPORT_SERVICES_CAPF_IO_UPSTREAM_ISSUER_H_
#define SALLYPORT_SERVICES_CAPF_IO_UPSTREAM_ISSUER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/public_key.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/ledger.h"

namespace sallyport::capf {

// A request whose proof of possession was verified, and that was admitted.
struct UpstreamOrder {
  std::string tenant;
  ProfileId profile;
  std::string csr_der;
  PublicKey key;
  SubjectName subject;
  SubjectAltNames names;
  std::string requester;
  std::string request_key;     // empty, or tenant and request id
  std::string request_sha256;  // hex
};

struct UpstreamIssued {
  CertificateRecord record;
  std::vector<std::string> chain;  // above it, DER
};

// Passes a request on as it is, and takes the answer only if it is what was
// asked for. Waits on the caller's thread, as long as the client does.
// Thread-safe.
class UpstreamIssuer {
 public:
  // Both must outlive this object.
  UpstreamIssuer(const EstClient& client, Ledger& ledger)
      : client_(client), ledger_(ledger) {}

  // A repeat of a request key returns what was issued then; while the other
  // authority has not decided (EST_PENDING), a repeat asks it again. Errors are
  // those of EstResult; EST_MISMATCH (PERMISSION_DENIED) for a certificate with
  // names that nobody asked for, of an authority, or not in force; those of the
  // ledger, such as KEY_REUSED; INVALID_ARGUMENT REQUEST_ID_REUSED.
  absl::StatusOr<UpstreamIssued> Issue(const UpstreamOrder& order);

 private:
  absl::Status Check(const UpstreamOrder& order, const std::string& leaf) const;

  const EstClient& client_;
  Ledger& ledger_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_UPSTREAM_ISSUER_H_
