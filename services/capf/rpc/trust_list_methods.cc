#include "services/capf/rpc/trust_list_methods.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// More than a list of hundreds of nodes; what is longer is no trust list.
constexpr size_t kMaxList = 4 * 1024 * 1024;

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status NotFound(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kNotFound, reason, message);
}

absl::Status NotConfigured() {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "TRUST_LISTS_NOT_CONFIGURED",
                   "trust_lists is not in the configuration file");
}

absl::StatusOr<TrustListKind> FromProto(pb::TrustListKind kind) {
  switch (kind) {
    case pb::TRUST_LIST_KIND_CTL:
      return TrustListKind::kCtl;
    case pb::TRUST_LIST_KIND_ITL:
      return TrustListKind::kItl;
    default:
      return Invalid("KIND_REQUIRED", "kind is required: CTL or ITL");
  }
}

pb::TrustList ToProto(const TrustList& list, const std::string& content) {
  pb::TrustList out;
  out.set_kind(list.header.file_name == TrustListFileName(TrustListKind::kItl)
                   ? pb::TRUST_LIST_KIND_ITL
                   : pb::TRUST_LIST_KIND_CTL);
  out.set_md5(HexEncode(Md5(AsBytes(content))));
  out.set_sha1(HexEncode(Sha1(AsBytes(content))));
  out.set_signature_algorithm(
      std::string(SignedFileDigestName(list.header.digest)));
  out.set_cluster_mode(list.cluster_mode() == ClusterSecurityMode::kMixed
                           ? "mixed"
                           : "non-secure");
  if (const TrustListRecord* signer = list.Signer(); signer != nullptr) {
    *out.mutable_signer() = Summarize(AsBytes(signer->certificate));
  }
  for (const TrustListRecord& record : list.records) {
    pb::TrustListRecord& row = *out.add_records();
    row.set_dns_name(record.dns_name.value_or(""));
    row.set_role(TrustListRoleName(record.role));
    row.set_role_number(static_cast<uint32_t>(record.role));
    if (!record.certificate.empty()) {
      *row.mutable_certificate() = Summarize(AsBytes(record.certificate));
    }
  }
  return out;
}

absl::StatusOr<pb::TrustList> ToProto(const PublishedList& list,
                                      bool with_content) {
  SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                      ParseTrustList(AsBytes(list.content)));
  pb::TrustList out = ToProto(parsed.list, list.content);
  out.set_name(absl::StrCat("tenants/", list.tenant, "/trustLists/",
                            std::string(TrustListFileName(list.kind))));
  *out.mutable_publish_time() = ::sallyport::ToProto(list.publish_time);
  if (with_content) out.set_content(list.content);
  return out;
}

pb::PhoneFile FileMessage(const std::string& tenant, const std::string& name,
                          const std::string& content, absl::Time time) {
  pb::PhoneFile out;
  out.set_name(absl::StrCat("tenants/", tenant, "/phoneFiles/", name));
  out.set_md5(HexEncode(Md5(AsBytes(content))));
  out.set_sha1(HexEncode(Sha1(AsBytes(content))));
  out.set_size(content.size());
  *out.mutable_update_time() = ::sallyport::ToProto(time);
  return out;
}

}  // namespace

absl::Status TrustListMethods::Publish(
    const pb::PublishTrustListRequest& request, const std::string& actor,
    pb::TrustList& response) {
  if (publisher_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  SP_ASSIGN_OR_RETURN(const TrustListKind kind, FromProto(request.kind()));
  // A repeat finds that what is out says the same already.
  SP_ASSIGN_OR_RETURN(const Publication done,
                      publisher_->Publish(ids[0], kind, request.force(),
                                          request.validate_only(), actor));
  SP_ASSIGN_OR_RETURN(response, ToProto(done.list, true));
  return absl::OkStatus();
}

absl::Status TrustListMethods::Get(const pb::GetTrustListRequest& request,
                                   pb::TrustList& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.name(), {"tenants", "trustLists"}));
  const std::optional<TrustListRequest> wanted = ParseTrustListName(ids[1]);
  if (!wanted) {
    return NotFound("TRUST_LIST_NOT_FOUND", "there is no such trust list");
  }
  SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                      ledger_.store().ListPublished(ids[0], wanted->kind, 1));
  if (lists.empty()) {
    return NotFound("TRUST_LIST_NOT_FOUND", "no such list was published");
  }
  SP_ASSIGN_OR_RETURN(response, ToProto(lists[0], true));
  return absl::OkStatus();
}

absl::Status TrustListMethods::List(const pb::ListTrustListsRequest& request,
                                    pb::ListTrustListsResponse& response) {
  SP_ASSIGN_OR_RETURN(const Page page,
                      ReadPage(request.parent(), request.page_size(),
                               request.page_token(), request.filter()));
  if (page.tenant.empty()) {
    return Invalid("NAME_INVALID", "trust lists are listed by tenant");
  }
  for (const TrustListKind kind : {TrustListKind::kCtl, TrustListKind::kItl}) {
    if (TrustListFileName(kind) <= page.after) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                        ledger_.store().ListPublished(page.tenant, kind, 1));
    if (lists.empty()) continue;
    if (static_cast<size_t>(response.trust_lists_size()) == page.limit) {
      response.set_next_page_token(
          PageToken(TrustListFileName(TrustListKind::kCtl)));
      break;
    }
    SP_ASSIGN_OR_RETURN(*response.add_trust_lists(), ToProto(lists[0], false));
  }
  return absl::OkStatus();
}

absl::Status TrustListMethods::Verify(const pb::VerifyTrustListRequest& request,
                                      pb::VerifyTrustListResponse& response) {
  if (request.content().empty() || request.content().size() > kMaxList ||
      request.other_content().size() > kMaxList) {
    return Invalid("CONTENT_INVALID", "a list has 1 octet to 4 MiB");
  }
  const ByteSpan file = AsBytes(request.content());
  const absl::Status verdict = VerifyTrustList(file).status();
  response.set_valid(verdict.ok());
  if (!verdict.ok()) {
    response.set_reason(ReasonOf(verdict));
    response.set_explanation(std::string(verdict.message()));
  }
  const absl::StatusOr<ParsedTrustList> parsed = ParseTrustList(file);
  if (!parsed.ok()) return absl::OkStatus();
  *response.mutable_trust_list() = ToProto(parsed->list, request.content());
  if (request.other_content().empty()) return absl::OkStatus();
  const absl::StatusOr<ParsedTrustList> other =
      ParseTrustList(AsBytes(request.other_content()));
  if (!other.ok()) {
    response.add_differences(absl::StrCat("the second file cannot be read: ",
                                          other.status().message()));
    return absl::OkStatus();
  }
  for (const std::string& line : DifferencesOf(parsed->list, other->list)) {
    response.add_differences(line);
  }
  return absl::OkStatus();
}

absl::Status TrustListMethods::Simulate(
    const pb::SimulateTrustListRequest& request,
    pb::SimulateTrustListResponse& response) {
  if (publisher_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  if (request.content().size() > kMaxList) {
    return Invalid("CONTENT_INVALID", "a list has at most 4 MiB");
  }
  SP_ASSIGN_OR_RETURN(const TrustListSimulation simulation,
                      publisher_->Simulate(ids[0], AsBytes(request.content())));
  response.set_phones_evaluated(
      static_cast<uint32_t>(simulation.phones_evaluated));
  response.set_locked_out_count(
      static_cast<uint32_t>(simulation.locked_out_count));
  for (const LockedOutPhone& phone : simulation.locked_out) {
    (*response.mutable_locked_out())[phone.device] =
        std::string(ListVerdictName(phone.verdict));
  }
  return absl::OkStatus();
}

absl::Status TrustListMethods::GetFile(const pb::GetPhoneFileRequest& request,
                                       pb::PhoneFile& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.name(), {"tenants", "phoneFiles"}));
  if (configs_ == nullptr) return NotConfigured();
  std::string content;
  if (const TrustListFiles::Content list = files_.Find(ids[1]);
      list != nullptr) {
    content = *list;
  } else {
    SP_ASSIGN_OR_RETURN(content, configs_->Make(ids[0], ids[1]));
  }
  response = FileMessage(ids[0], ids[1], content, ledger_.clock().Now());
  response.set_content(std::move(content));
  return absl::OkStatus();
}

absl::Status TrustListMethods::ListFiles(
    const pb::ListPhoneFilesRequest& request,
    pb::ListPhoneFilesResponse& response) {
  SP_ASSIGN_OR_RETURN(const Page page,
                      ReadPage(request.parent(), request.page_size(),
                               request.page_token(), request.filter()));
  if (page.tenant.empty()) {
    return Invalid("NAME_INVALID", "phone files are listed by tenant");
  }
  for (const TrustListFiles::File& file : files_.All()) {
    if (file.tenant != page.tenant || file.name <= page.after) continue;
    const int size = response.phone_files_size();
    if (static_cast<size_t>(size) == page.limit) {
      const std::string& last = response.phone_files(size - 1).name();
      response.set_next_page_token(PageToken(last.substr(last.rfind('/') + 1)));
      break;
    }
    *response.add_phone_files() =
        FileMessage(file.tenant, file.name, *file.content, file.update_time);
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
