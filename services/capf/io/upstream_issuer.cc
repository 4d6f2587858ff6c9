#include "services/capf/io/upstream_issuer.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kActor[] = "est";

absl::Status Mismatch(std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, "EST_MISMATCH",
                   message);
}

bool Holds(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

absl::Status UpstreamIssuer::Check(const UpstreamOrder& order,
                                   const std::string& leaf) const {
  SP_ASSIGN_OR_RETURN(const auto parsed, ParseWholeCertificate(AsBytes(leaf)));
  SP_ASSIGN_OR_RETURN(const CertificateInfo info,
                      ParseCertificate(AsBytes(leaf)));
  if (parsed->is_ca) return Mismatch("the answer is an authority");
  const absl::Time now = ledger_.clock().Now();
  if (now < parsed->not_before || now > parsed->not_after) {
    return Mismatch("the certificate is not in force");
  }
  for (const std::string& name : info.common_names) {
    if (name != order.subject.common_name &&
        !Holds(order.names.dns_names, name)) {
      return Mismatch("the certificate has another common name");
    }
  }
  size_t held = 0;
  for (const GeneralName& name :
       parsed->alt_names.value_or(std::vector<GeneralName>())) {
    bool asked = false;
    switch (name.type) {
      case GeneralName::Type::kDns:
        asked =
            Holds(order.names.dns_names, absl::AsciiStrToLower(name.value)) ||
            Holds(order.names.dns_names, name.value);
        break;
      case GeneralName::Type::kUri:
        asked = Holds(order.names.uris, name.value);
        break;
      case GeneralName::Type::kIp:
        asked = Holds(order.names.ip_addresses, name.value);
        break;
      default:
        break;
    }
    if (!asked) return Mismatch("the certificate has a name nobody asked for");
    ++held;
  }
  const size_t wanted = order.names.dns_names.size() + order.names.uris.size() +
                        order.names.ip_addresses.size();
  if (held < wanted) return Mismatch("the certificate lacks a name");
  return absl::OkStatus();
}

absl::StatusOr<UpstreamIssued> UpstreamIssuer::Issue(
    const UpstreamOrder& order) {
  if (!order.request_key.empty()) {
    SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> before,
                        ledger_.store().FindRequest(order.request_key));
    if (before.has_value()) {
      if (before->request_sha256 != order.request_sha256) {
        return MakeError(absl::StatusCode::kInvalidArgument,
                         "REQUEST_ID_REUSED",
                         "the request id was used for another request");
      }
      return UpstreamIssued{*std::move(before), {}};
    }
  }
  StoreChange asked;
  asked.audit.push_back({"UPSTREAM_REQUESTED", order.requester,
                         order.subject.common_name,
                         absl::StrCat("request=", order.request_sha256)});
  SP_RETURN_IF_ERROR(ledger_.Apply(asked));
  const EstResult answer = client_.Enroll(order.csr_der, false);
  SP_RETURN_IF_ERROR(answer.status);
  const EstResult above = client_.CaCerts();
  SP_RETURN_IF_ERROR(above.status);
  SP_ASSIGN_OR_RETURN(
      std::vector<std::string> chain,
      OrderChain(answer.certificates, above.certificates, order.key.spki()));
  if (chain.size() < 2) {
    return Mismatch("no authority of the server's has signed the answer");
  }
  SP_RETURN_IF_ERROR(Check(order, chain[0]));

  SP_ASSIGN_OR_RETURN(const auto leaf,
                      ParseWholeCertificate(AsBytes(chain[0])));
  CertificateRecord record;
  record.serial = HexEncode(AsBytes(leaf->serial));
  record.serial.erase(0, record.serial.find_first_not_of('0'));
  record.tenant = order.tenant;
  record.profile = order.profile;
  record.common_name = order.subject.common_name;
  record.requester = order.requester;
  record.request_key = order.request_key;
  record.authority = "upstream";
  record.request_sha256 = order.request_sha256;
  record.key_sha256 = HexEncode(AsBytes(order.key.sha256()));
  record.not_before = leaf->not_before;
  record.not_after = leaf->not_after;
  record.create_time = ledger_.clock().Now();
  StoreChange issued;
  issued.insert_certificates.push_back(record);
  record.der = chain[0];
  record.state = CertificateState::kActive;
  issued.update_certificates.push_back({record, CertificateState::kIntent});
  issued.audit.push_back(
      {"UPSTREAM_ISSUED", kActor, record.Name(),
       absl::StrCat("sha1=", HexEncode(Sha1(AsBytes(record.der))),
                    " sha256=", HexEncode(Sha256(AsBytes(record.der))),
                    " request=", record.request_sha256)});
  SP_RETURN_IF_ERROR(ledger_.Apply(issued));
  chain.erase(chain.begin());
  return UpstreamIssued{std::move(record), std::move(chain)};
}

}  // namespace sallyport::capf
