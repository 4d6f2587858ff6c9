// Between the API's messages and our own types.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_CAPF_CONVERT_H_
#define SALLYPORT_SERVICES_CAPF_RPC_CAPF_CONVERT_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "sallyport/capf/v1/capf_status.pb.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "sallyport/capf/v1/enrollment.pb.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "sallyport/capf/v1/trust_store.pb.h"
#include "sallyport/type/v1/certificate_summary.pb.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/core/trust_bundle.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/revocation_fetcher.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

namespace pb = ::sallyport::capf::v1;

// The ids in a resource name of the form "{collections[0]}/{id}/...".
// INVALID_ARGUMENT, reason NAME_INVALID, for another form or an id that is not
// 1 to 80 letters, digits, '.', '-' and '_', or is "-", which is no id.
absl::StatusOr<std::vector<std::string>> ParseName(
    std::string_view name, std::initializer_list<std::string_view> collections);

// 1 to 63 of a-z, 0-9, '-' and '_'.
bool IsResourceId(std::string_view id);

type::v1::CertificateSummary Summarize(ByteSpan der);

// Without the authentication string, which is never known again.
pb::Enrollment ToProto(const Enrollment& enrollment);
pb::EnrollmentStatus ToProto(const OperationStatus& status);
// Operation, mode, key order and sizes, deadline. The string is the caller's
// to handle, as is what the store knows.
absl::Status ApplyProto(const pb::Enrollment& in,
                        const std::vector<std::string>& fields,
                        Enrollment& out);

pb::Certificate ToProto(const CertificateRecord& record,
                        const std::string& authority_name, absl::Time now);
// UNIMPLEMENTED for what we do not issue, INVALID_ARGUMENT for none and for
// LSC, which only the CAPF protocol issues.
absl::StatusOr<ProfileId> FromProto(pb::CertificateProfile profile);
RevocationReason FromProto(pb::RevocationReason reason);
// "DNS:...", "URI:...", "IP:...".
absl::StatusOr<SubjectAltNames> ParseAltNames(
    const google::protobuf::RepeatedPtrField<std::string>& names);

pb::TrustedCertificate ToProto(const TrustedCertificate& trusted);
pb::RevocationSource ToProto(const RevocationSource& source);

// A step by `delta`, to `bundle`.
pb::WatchTrustBundleResponse ToStep(const TrustBundle& bundle,
                                    const TrustBundleDelta& delta);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_CAPF_CONVERT_H_
