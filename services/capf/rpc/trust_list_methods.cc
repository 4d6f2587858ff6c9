#include "services/capf/rpc/trust_list_methods.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/socket_address.h"
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

// The newest list of a kind: its first form, and what all of them are.
absl::StatusOr<pb::TrustList> ToProto(const std::vector<PublishedList>& forms,
                                      bool with_content) {
  const PublishedList& list = forms.front();
  SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                      ParseTrustList(AsBytes(list.content)));
  pb::TrustList out = ToProto(parsed.list, list.content);
  out.set_name(absl::StrCat("tenants/", list.tenant, "/trustLists/",
                            std::string(TrustListFileName(list.kind))));
  *out.mutable_publish_time() = ::sallyport::ToProto(list.publish_time);
  if (with_content) out.set_content(list.content);
  for (const PublishedList& one : forms) {
    SP_ASSIGN_OR_RETURN(const ParsedTrustList form,
                        ParseTrustList(AsBytes(one.content)));
    pb::TrustListForm& row = *out.add_forms();
    row.set_signature_algorithm(
        std::string(SignedFileDigestName(form.list.header.digest)));
    row.set_md5(HexEncode(Md5(AsBytes(one.content))));
    row.set_sha1(one.sha1);
    row.set_size(one.content.size());
  }
  return out;
}

pb::PhoneCluster ToProto(const ClusterState& state) {
  const PhoneCluster& in = state.cluster;
  pb::PhoneCluster out;
  out.set_name(absl::StrCat("tenants/", in.tenant, "/phoneCluster"));
  out.set_host(in.host);
  for (const ClusterNode& node : in.call_managers) {
    pb::PhoneClusterNode& row = *out.add_call_managers();
    row.set_dns_name(node.node.dns_name);
    if (const auto address =
            SocketAddress::FromBytes(AsBytes(node.node.ip_address), 0);
        address.has_value()) {
      row.set_ip_address(address->IpText());
    }
    row.set_certificate_pem(
        CertificateToPem(AsBytes(node.node.certificate_der)));
    *row.mutable_certificate() = Summarize(AsBytes(node.node.certificate_der));
    row.set_sip_port(node.sip_port);
    row.set_secured_sip_port(node.secured_sip_port);
  }
  out.set_cluster_mode(in.mode == ClusterSecurityMode::kMixed ? "mixed"
                                                              : "non-secure");
  out.set_sha512(in.sha512);
  for (const std::string& model : in.sha512_models) {
    out.add_sha512_models(model);
  }
  for (const ListSigner& signer : state.signers) {
    pb::PhoneListSigner& row = *out.add_signers();
    row.set_id(signer.id);
    row.set_state(std::string(ListSignerStateName(signer.state)));
    *row.mutable_certificate() = Summarize(AsBytes(signer.certificate_der));
    *row.mutable_create_time() = ::sallyport::ToProto(signer.create_time);
  }
  out.set_from_configuration(in.from_configuration);
  out.set_etag(absl::StrCat(in.version));
  return out;
}

absl::StatusOr<std::vector<ClusterNode>> NodesOf(const pb::PhoneCluster& in) {
  std::vector<ClusterNode> nodes;
  for (const pb::PhoneClusterNode& node : in.call_managers()) {
    ClusterNode out;
    out.node.dns_name = node.dns_name();
    if (!node.ip_address().empty()) {
      SP_ASSIGN_OR_RETURN(const SocketAddress address,
                          SocketAddress::FromIp(node.ip_address(), 0));
      out.node.ip_address = ToString(address.ip_bytes());
    }
    const auto certificates = CertificatesFromPem(node.certificate_pem());
    // What cannot be read is named with all other faults.
    if (certificates.ok()) out.node.certificate_der = certificates->front();
    if (node.sip_port() > 65535 || node.secured_sip_port() > 65535) {
      return Invalid("PHONE_CLUSTER_INVALID", "a port is above 65535");
    }
    if (node.sip_port() != 0) {
      out.sip_port = static_cast<uint16_t>(node.sip_port());
    }
    if (node.secured_sip_port() != 0) {
      out.secured_sip_port = static_cast<uint16_t>(node.secured_sip_port());
    }
    nodes.push_back(std::move(out));
  }
  return nodes;
}

// Takes over what `request` names of its cluster.
absl::Status Merge(const pb::UpdatePhoneClusterRequest& request,
                   PhoneCluster& next) {
  const pb::PhoneCluster& in = request.phone_cluster();
  std::vector<std::string> paths(request.update_mask().paths().begin(),
                                 request.update_mask().paths().end());
  if (paths.empty() || paths == std::vector<std::string>{"*"}) {
    paths = {"host", "call_managers", "sha512", "sha512_models"};
  }
  for (const std::string& path : paths) {
    if (path == "host") {
      next.host = in.host();
    } else if (path == "call_managers") {
      SP_ASSIGN_OR_RETURN(next.call_managers, NodesOf(in));
      next.from_configuration = false;
    } else if (path == "sha512") {
      next.sha512 = in.sha512();
    } else if (path == "sha512_models") {
      next.sha512_models = {in.sha512_models().begin(),
                            in.sha512_models().end()};
      std::sort(next.sha512_models.begin(), next.sha512_models.end());
    } else {
      return Invalid("UPDATE_MASK_INVALID",
                     "host, call_managers, sha512 and sha512_models can be "
                     "changed");
    }
  }
  return absl::OkStatus();
}

// The tenant of "tenants/{tenant}/phoneCluster".
absl::StatusOr<std::string> ClusterTenant(const std::string& name) {
  constexpr std::string_view kEnd = "/phoneCluster";
  if (!name.ends_with(kEnd)) {
    return Invalid("NAME_INVALID", "the name is tenants/{tenant}/phoneCluster");
  }
  SP_ASSIGN_OR_RETURN(
      std::vector<std::string> ids,
      ParseName(std::string_view(name).substr(0, name.size() - kEnd.size()),
                {"tenants"}));
  return std::move(ids[0]);
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

absl::Status TrustListMethods::GetCluster(
    const pb::GetPhoneClusterRequest& request, pb::PhoneCluster& response) {
  if (publisher_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(const std::string tenant, ClusterTenant(request.name()));
  const absl::StatusOr<ClusterState> state = publisher_->State(tenant);
  if (ReasonOf(state.status()) == "TENANT_WITHOUT_PHONES") {
    return NotFound("TENANT_WITHOUT_PHONES",
                    "the tenant's phone cluster was not set");
  }
  SP_RETURN_IF_ERROR(state.status());
  response = ToProto(*state);
  AddDialplanMode(state->cluster, response);
  return absl::OkStatus();
}

void TrustListMethods::AddDialplanMode(const PhoneCluster& cluster,
                                       pb::PhoneCluster& response) const {
  if (dialplan_ == nullptr) {
    response.set_dialplan_reason("DIALPLAN_NOT_CONFIGURED");
    return;
  }
  const absl::StatusOr<ClusterSecurityMode> mode =
      dialplan_->Get(cluster.tenant);
  if (!mode.ok()) {
    const std::string reason(ReasonOf(mode.status()));
    response.set_dialplan_reason(reason.empty() ? "DIALPLAN_UNREACHABLE"
                                                : reason);
    return;
  }
  response.set_dialplan_mode(
      *mode == ClusterSecurityMode::kMixed ? "mixed" : "non-secure");
  if (*mode != cluster.mode) {
    response.set_dialplan_reason("CLUSTER_MODES_DIFFER");
  }
}

absl::Status TrustListMethods::UpdateCluster(
    const pb::UpdatePhoneClusterRequest& request, const std::string& actor,
    pb::PhoneCluster& response) {
  if (publisher_ == nullptr) return NotConfigured();
  const pb::PhoneCluster& in = request.phone_cluster();
  SP_ASSIGN_OR_RETURN(const std::string tenant, ClusterTenant(in.name()));
  SP_ASSIGN_OR_RETURN(const std::optional<PhoneCluster> kept,
                      ledger_.store().GetCluster(tenant));
  PhoneCluster next = kept.value_or(PhoneCluster());
  if (!in.etag().empty() && in.etag() != absl::StrCat(next.version)) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was changed meanwhile");
  }
  next.tenant = tenant;
  SP_RETURN_IF_ERROR(Merge(request, next));
  SP_RETURN_IF_ERROR(
      publisher_
          ->PublishCluster(next, {.force = request.force(), .actor = actor},
                           request.validate_only())
          .status());
  if (request.validate_only()) {
    response = ToProto({next, {}});
    AddDialplanMode(next, response);
    return absl::OkStatus();
  }
  SP_ASSIGN_OR_RETURN(const ClusterState state, publisher_->State(tenant));
  response = ToProto(state);
  AddDialplanMode(state.cluster, response);
  return absl::OkStatus();
}

absl::Status TrustListMethods::Publish(
    const pb::PublishTrustListRequest& request, const std::string& actor,
    pb::TrustList& response) {
  if (publisher_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  SP_ASSIGN_OR_RETURN(const TrustListKind kind, FromProto(request.kind()));
  // A repeat finds that what is out says the same already.
  SP_ASSIGN_OR_RETURN(
      const Publication done,
      publisher_->Publish(ids[0], kind,
                          {.force = request.force(), .actor = actor},
                          request.validate_only()));
  SP_ASSIGN_OR_RETURN(response, ToProto(done.lists, true));
  return absl::OkStatus();
}

absl::Status TrustListMethods::Get(const pb::GetTrustListRequest& request,
                                   pb::TrustList& response) {
  if (publisher_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.name(), {"tenants", "trustLists"}));
  const std::optional<TrustListRequest> wanted = ParseTrustListName(ids[1]);
  if (!wanted) {
    return NotFound("TRUST_LIST_NOT_FOUND", "there is no such trust list");
  }
  SP_ASSIGN_OR_RETURN(std::vector<PublishedList> lists,
                      publisher_->Current(ids[0], wanted->kind));
  if (lists.empty()) {
    return NotFound("TRUST_LIST_NOT_FOUND", "no such list was published");
  }
  if (!wanted->device.empty()) {
    // The form that the device gets.
    SP_ASSIGN_OR_RETURN(const TrustListFiles::Content its,
                        maker_->Make(ids[0], ids[1]));
    std::erase_if(lists, [&its](const PublishedList& list) {
      return list.content != *its;
    });
    if (lists.empty()) {
      return NotFound("TRUST_LIST_NOT_FOUND", "it is being replaced");
    }
  }
  SP_ASSIGN_OR_RETURN(response, ToProto(lists, true));
  if (!wanted->device.empty()) response.set_name(request.name());
  return absl::OkStatus();
}

absl::Status TrustListMethods::List(const pb::ListTrustListsRequest& request,
                                    pb::ListTrustListsResponse& response) {
  if (publisher_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  if (page.tenant.empty()) {
    return Invalid("NAME_INVALID", "trust lists are listed by tenant");
  }
  struct Lists {
    TrustListKind kind;
    std::vector<PublishedList> files;
  };
  std::vector<Lists> all;
  for (const TrustListKind kind : {TrustListKind::kCtl, TrustListKind::kItl}) {
    SP_ASSIGN_OR_RETURN(std::vector<PublishedList> files,
                        publisher_->Current(page.tenant, kind));
    if (!files.empty()) all.push_back({kind, std::move(files)});
  }
  const auto key = [](const Lists& lists) {
    return std::string(TrustListFileName(lists.kind));
  };
  return FillPage<pb::TrustList>(
      page, request.filter(), ReadSorted(all, key), key,
      [](const Lists& lists) { return ToProto(lists.files, false); },
      response.mutable_trust_lists(), response.mutable_next_page_token());
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
  if (maker_ == nullptr) return NotConfigured();
  SP_ASSIGN_OR_RETURN(const TrustListFiles::Content content,
                      maker_->Make(ids[0], ids[1]));
  response = FileMessage(ids[0], ids[1], *content, ledger_.clock().Now());
  response.set_content(*content);
  return absl::OkStatus();
}

absl::Status TrustListMethods::ListFiles(
    const pb::ListPhoneFilesRequest& request,
    pb::ListPhoneFilesResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  if (page.tenant.empty()) {
    return Invalid("NAME_INVALID", "phone files are listed by tenant");
  }
  if (files_ == nullptr) return NotConfigured();
  using File = TrustListFiles::File;
  std::vector<File> files = files_->All();
  std::erase_if(files,
                [&](const File& file) { return file.tenant != page.tenant; });
  const auto key = [](const File& file) { return file.name; };
  return FillPage<pb::PhoneFile>(
      page, request.filter(), ReadSorted(files, key), key,
      [](const File& file) {
        return absl::StatusOr<pb::PhoneFile>(FileMessage(
            file.tenant, file.name, *file.content, file.update_time));
      },
      response.mutable_phone_files(), response.mutable_next_page_token());
}

}  // namespace sallyport::capf
