// What a trust list of a cluster says, from what the cluster is.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_PLAN_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_PLAN_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/trust_list.h"

namespace sallyport::capf {

enum class TrustListKind { kCtl, kItl };

// "CTLFile.tlv", "ITLFile.tlv".
std::string_view TrustListFileName(TrustListKind kind);

// The kind of a file that phones ask for: the general name, or one with the
// device's ("CTLSEP001122334455.tlv"). `device` is empty for the general one.
struct TrustListRequest {
  TrustListKind kind = TrustListKind::kCtl;
  std::string device;

  bool operator==(const TrustListRequest&) const = default;
};
std::optional<TrustListRequest> ParseTrustListName(std::string_view file_name);

// Where phones find a service, and the certificate that it shows there.
struct PhoneNode {
  std::string dns_name;
  std::string ip_address;  // 4 or 16 octets, or empty
  std::string certificate_der;

  bool operator==(const PhoneNode&) const = default;
};

struct ClusterTrust {
  // Signers of lists: the first signs, the second is there to take over.
  std::vector<std::string> signers;  // certificates, DER; 1 or 2
  std::vector<PhoneNode> call_managers;
  std::vector<PhoneNode> tftp;  // who signs phone files
  std::vector<PhoneNode> capf;
  std::vector<PhoneNode> tvs;  // in the ITL only
  ClusterSecurityMode mode = ClusterSecurityMode::kNonSecure;
};

// The list to be signed by the first signer; `modulus_size` of its key in
// octets. A CTL holds signers, call managers, TFTP servers and CAPF; an
// ITL the same and all
// TVS nodes. In a non-secure cluster the CTL names call managers without their
// certificates (research/pki.md section 1.7). kInvalidArgument as RecordOf(),
// or reason SIGNER_COUNT if there is not one signer or two.
absl::StatusOr<TrustList> ComposeTrustList(TrustListKind kind,
                                           const ClusterTrust& cluster,
                                           SignedFileDigest digest,
                                           size_t modulus_size, absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_PLAN_H_
