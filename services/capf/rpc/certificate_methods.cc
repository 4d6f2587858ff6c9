#include "services/capf/rpc/certificate_methods.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/csr.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

absl::Status NotFound(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kNotFound, reason, message);
}

const std::string& UpstreamName() {
  static const auto* const name =
      new std::string("certificateAuthorities/upstream");
  return *name;
}

// What a request asks for, its proof of possession verified.
struct Asked {
  VerifiedCsr csr;
  std::string csr_der;
  SubjectName subject;
  SubjectAltNames names;
};

absl::StatusOr<Asked> ReadAsked(const pb::IssueCertificateRequest& request) {
  std::string der = request.csr();
  if (der.find("-----BEGIN") != std::string::npos) {
    SP_ASSIGN_OR_RETURN(der, CsrFromPem(request.csr()));
  }
  SP_ASSIGN_OR_RETURN(VerifiedCsr csr, VerifyCsr(AsBytes(der), KeyPolicy{}));
  SubjectAltNames names = csr.names();
  if (request.subject_alt_names_size() != 0) {
    SP_ASSIGN_OR_RETURN(names, ParseAltNames(request.subject_alt_names()));
  }
  SubjectName subject{.common_name = request.common_name().empty()
                                         ? csr.subject().common_name
                                         : request.common_name()};
  if (subject.common_name.empty() && !names.dns_names.empty()) {
    subject.common_name = names.dns_names[0];
  }
  return Asked{std::move(csr), std::move(der), std::move(subject),
               std::move(names)};
}

}  // namespace

bool CertificateMethods::NeedsAllTenants(
    const pb::IssueCertificateRequest& request) const {
  // A service's identity belongs to no tenant.
  if (request.profile() == pb::CERTIFICATE_PROFILE_SERVICE) return true;
  const auto ids = ParseName(request.parent(), {"tenants"});
  const absl::StatusOr<Asked> asked = ReadAsked(request);
  return ids.ok() && asked.ok() &&
         !names_.Cover((*ids)[0], asked->subject, asked->names);
}

absl::Status CertificateMethods::Issue(
    const pb::IssueCertificateRequest& request, const std::string& actor,
    pb::Certificate& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  SP_ASSIGN_OR_RETURN(const ProfileId profile, FromProto(request.profile()));
  if (IsForUpstream(request) && passes_on_ != nullptr) {
    return PassOn(request, ids[0], profile, actor, response);
  }
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      For(ids[0], request.certificate_authority()));
  SP_ASSIGN_OR_RETURN(Asked asked, ReadAsked(request));
  // Of the subject only the common name is the asker's to choose.
  asked.subject.organization = authority->issuer().subject.organization;
  absl::Duration validity = ::sallyport::FromProto(request.lifetime());
  if (validity == absl::ZeroDuration()) {
    validity = profile == ProfileId::kSipServer ? lifetimes_.server
               : profile == ProfileId::kClient  ? lifetimes_.client
                                                : lifetimes_.service;
  }
  SP_ASSIGN_OR_RETURN(const std::string request_key,
                      RequestKey(ids[0], request.request_id()));
  const IssueOrder order{
      .tenant = ids[0],
      .profile = profile,
      .subject = std::move(asked.subject),
      .names = std::move(asked.names),
      .key = asked.csr.key(),
      .validity = validity,
      .enrollment = {},
      .requester = actor,
      .request_key = request_key,
      .request_sha256 = HexEncode(AsBytes(asked.csr.sha256()))};
  if (request.validate_only()) return authority->Check(order);
  SP_ASSIGN_OR_RETURN(const CertificateRecord record, authority->Issue(order));
  SP_RETURN_IF_ERROR(trust_.EnsureOwn(ids[0], actor));
  response = ToProto(record, AuthorityOf(record), Now());
  SP_ASSIGN_OR_RETURN(*response.mutable_chain_pem(), IssuersOf(record));
  return absl::OkStatus();
}

absl::StatusOr<std::string> CertificateMethods::IssuersOf(
    const CertificateRecord& record) const {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      authorities_.Generations());
  std::string out;
  for (const AuthorityGeneration& one : all) {
    if (one.Name() != record.authority || one.chain_pem.empty()) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                        CertificatesFromPem(one.chain_pem));
    for (const std::string& der : chain) {
      const absl::StatusOr<CertificateInfo> info =
          ParseCertificate(AsBytes(der));
      if (!info.ok() || info->issuer == info->subject) break;
      out += CertificateToPem(AsBytes(der));
    }
  }
  return out;
}

bool CertificateMethods::IsForUpstream(
    const pb::IssueCertificateRequest& request) {
  return request.certificate_authority() == UpstreamName();
}

std::string CertificateMethods::AuthorityOf(
    const CertificateRecord& record) const {
  if (!record.authority.empty()) {
    return absl::StrCat("certificateAuthorities/",
                        record.authority.substr(0, record.authority.find('/')));
  }
  if (passes_on_ == nullptr || record.der.empty()) return authority_name_;
  const absl::StatusOr<std::string> issuer = IssuerNameOf(AsBytes(record.der));
  const bool own = issuer.ok() && *issuer == authority_.issuer().subject_der;
  return own ? authority_name_ : UpstreamName();
}

absl::StatusOr<CertificateAuthority*> CertificateMethods::Named(
    const std::string& name) const {
  const absl::StatusOr<std::vector<std::string>> ids =
      ParseName(name, {"certificateAuthorities"});
  if (!ids.ok()) {
    return NotFound("AUTHORITY_NOT_FOUND", "there is no such authority");
  }
  return authorities_.Find((*ids)[0]);
}

absl::Status CertificateMethods::PassOn(
    const pb::IssueCertificateRequest& request, const std::string& tenant,
    ProfileId profile, const std::string& actor, pb::Certificate& response) {
  if (profile != ProfileId::kSipServer) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PROFILE_INVALID",
                     "only servers' certificates come from above");
  }
  // What the asker has signed cannot be changed on the way.
  if (request.subject_alt_names_size() != 0 || !request.common_name().empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                     "names are those of the request itself");
  }
  SP_ASSIGN_OR_RETURN(Asked asked, ReadAsked(request));
  SP_RETURN_IF_ERROR(
      CheckNames(ProfileFor(profile), asked.subject, asked.names));
  if (request.validate_only()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::string request_key,
                      RequestKey(tenant, request.request_id()));
  SP_ASSIGN_OR_RETURN(const UpstreamIssued issued,
                      passes_on_->Issue({.tenant = tenant,
                                         .profile = profile,
                                         .csr_der = std::move(asked.csr_der),
                                         .key = asked.csr.key(),
                                         .subject = std::move(asked.subject),
                                         .names = std::move(asked.names),
                                         .requester = actor,
                                         .request_key = request_key,
                                         .request_sha256 = HexEncode(
                                             AsBytes(asked.csr.sha256()))}));
  response = ToProto(issued.record, UpstreamName(), Now());
  for (const std::string& der : issued.chain) {
    response.mutable_chain_pem()->append(CertificateToPem(AsBytes(der)));
  }
  return absl::OkStatus();
}

absl::Status CertificateMethods::Get(const pb::GetCertificateRequest& request,
                                     pb::Certificate& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.name(), {"tenants", "certificates"}));
  SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> record,
                      ledger_.store().GetCertificate(ids[1]));
  if (!record.has_value() || record->tenant != ids[0] || record->der.empty()) {
    return NotFound("CERTIFICATE_NOT_FOUND", "there is no such certificate");
  }
  response = ToProto(*record, AuthorityOf(*record), Now());
  SP_ASSIGN_OR_RETURN(*response.mutable_chain_pem(), IssuersOf(*record));
  return absl::OkStatus();
}

absl::Status CertificateMethods::List(
    const pb::ListCertificatesRequest& request,
    pb::ListCertificatesResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  return FillPage<pb::Certificate>(
      page, request.filter(),
      [this](const Page& part) {
        return ledger_.store().ListCertificates(part);
      },
      [](const CertificateRecord& record) { return record.serial; },
      [this](const CertificateRecord& record) {
        return absl::StatusOr<pb::Certificate>(
            ToProto(record, AuthorityOf(record), Now()));
      },
      response.mutable_certificates(), response.mutable_next_page_token());
}

absl::Status CertificateMethods::Revoke(
    const pb::RevokeCertificateRequest& request, const std::string& actor,
    pb::Certificate& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.name(), {"tenants", "certificates"}));
  SP_ASSIGN_OR_RETURN(
      const CertificateRecord record,
      enrollments_.Revoke(ids[0], ids[1], FromProto(request.reason()), actor,
                          request.validate_only()));
  response = ToProto(record, AuthorityOf(record), Now());
  return absl::OkStatus();
}

absl::StatusOr<pb::CertificateAuthority> CertificateMethods::Describe(
    CertificateAuthority& authority) {
  const Issuer& issuer = authority.issuer();
  pb::CertificateAuthority out;
  out.set_name("certificateAuthorities/" + authority.id());
  out.set_display_name(issuer.subject.common_name);
  out.set_mode(pb::AUTHORITY_MODE_OWN);
  out.set_common_name(issuer.subject.common_name);
  out.set_organization(issuer.subject.organization);
  out.set_certificate_pem(authority.ChainPem());
  absl::StatusOr<std::string> request = authority.Request("capf");
  *out.mutable_summary() = Summarize(AsBytes(issuer.certificate_der));
  out.set_key_type(out.summary().key_type());
  for (const char* profile :
       {"CERTIFICATE_PROFILE_LSC", "CERTIFICATE_PROFILE_SERVER",
        "CERTIFICATE_PROFILE_CLIENT", "CERTIFICATE_PROFILE_SERVICE"}) {
    out.add_default_profiles(profile);
  }
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      authorities_.Generations());
  for (const AuthorityGeneration& one : all) {
    if (one.authority != authority.id()) continue;
    if (!one.tenant.empty()) out.set_tenant("tenants/" + one.tenant);
    if (one.disabled) out.set_disabled(true);
    out.clear_phone_models();
    for (const std::string& model : one.models) out.add_phone_models(model);
    pb::AuthorityKey& key = *out.add_keys();
    key.set_generation(one.generation);
    // The numbers are the same on both sides.
    key.set_state(static_cast<pb::AuthorityKeyState>(one.state));
    if (!one.chain_pem.empty()) {
      SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                          CertificatesFromPem(one.chain_pem));
      *key.mutable_summary() = Summarize(AsBytes(chain[0]));
    } else if (!one.request_der.empty() &&
               one.state == AuthorityState::kPrepared) {
      // The one that somebody is to sign now.
      request = one.request_der;
    }
    key.set_kept_in(one.state == AuthorityState::kRetired ? ""
                    : !one.token_label.empty() ? "token:" + one.token_label
                    : !one.key_pem.empty()     ? "store"
                                               : "file");
    LiveCertificates live{
        .authority = one.Name(),
        .unnamed = one.generation == 1 && &authority == &authority_,
        .lsc = true};
    SP_ASSIGN_OR_RETURN(const int64_t phones,
                        ledger_.store().CountLive(live, Now()));
    live.lsc = false;
    SP_ASSIGN_OR_RETURN(const int64_t others,
                        ledger_.store().CountLive(live, Now()));
    key.set_live_phone_certificates(phones);
    key.set_live_other_certificates(others);
    *key.mutable_create_time() = ::sallyport::ToProto(one.create_time);
  }
  if (request.ok()) out.set_csr_pem(CsrToPem(AsBytes(*request)));
  const std::optional<EstState> state =
      upstreams_ == nullptr ? std::nullopt
                            : upstreams_->StateOf(authority.id());
  if (state.has_value()) {
    out.set_mode(pb::AUTHORITY_MODE_ONLINE);
    out.set_upstream_url(upstreams_->UrlOf(authority.id()));
    out.set_upstream_status(state->reason);
    *out.mutable_next_attempt_time() =
        ::sallyport::ToProto(state->next_attempt_time);
  }
  *out.mutable_create_time() = ::sallyport::ToProto(issuer.not_before);
  return out;
}

absl::Status CertificateMethods::CreateAuthority(
    const pb::CreateCertificateAuthorityRequest& request,
    const std::string& actor, pb::CertificateAuthority& response) {
  const pb::CertificateAuthority& in = request.certificate_authority();
  const auto invalid = [](std::string_view reason, std::string_view message) {
    return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
  };
  const std::string& id = request.certificate_authority_id();
  if (!IsResourceId(id) || "certificateAuthorities/" + id == UpstreamName()) {
    return invalid("AUTHORITY_ID_INVALID",
                   "certificate_authority_id is not 1 to 63 of a-z, 0-9, - "
                   "and _, or it is upstream");
  }
  AuthorityGeneration first;
  switch (in.mode()) {
    case pb::AUTHORITY_MODE_OWN:
      break;
    case pb::AUTHORITY_MODE_ONLINE: {
      if (upstreams_ == nullptr) {
        return MakeError(absl::StatusCode::kFailedPrecondition,
                         "EST_NOT_CONFIGURED",
                         "authority.est of the configuration names no server");
      }
      SP_ASSIGN_OR_RETURN(first.est_path,
                          upstreams_->PathOf(in.upstream_url()));
      break;
    }
    default:
      return invalid("FIELD_INVALID",
                     "mode is OWN or ONLINE; a certificate from elsewhere can "
                     "be imported once it is there");
  }
  first.authority = id;
  first.common_name = in.common_name();
  first.organization = in.organization();
  switch (in.key_type()) {
    case type::v1::KEY_TYPE_UNSPECIFIED:
    case type::v1::KEY_TYPE_EC_P256:
      break;
    case type::v1::KEY_TYPE_RSA_2048:
      first.rsa_bits = 2048;
      break;
    case type::v1::KEY_TYPE_RSA_3072:
      first.rsa_bits = 3072;
      break;
    case type::v1::KEY_TYPE_RSA_4096:
      first.rsa_bits = 4096;
      break;
    default:
      return invalid("FIELD_INVALID",
                     "key_type is EC_P256, RSA_2048, RSA_3072 or RSA_4096");
  }
  if (!in.tenant().empty()) {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                        ParseName(in.tenant(), {"tenants"}));
    first.tenant = ids[0];
  }
  for (const std::string& model : in.phone_models()) {
    if (model.empty() || model.size() > 64 ||
        model.find_first_of("\n\r") != std::string::npos) {
      return invalid("FIELD_INVALID", "a model is 1 to 64 characters");
    }
    first.models.push_back(model);
  }
  std::sort(first.models.begin(), first.models.end());
  SP_RETURN_IF_ERROR(authority_admin_.Create(
      std::move(first), ::sallyport::FromProto(in.lifetime()), actor,
      request.validate_only()));
  if (request.validate_only()) {
    response = in;
    return absl::OkStatus();
  }
  if (upstreams_ != nullptr) SP_RETURN_IF_ERROR(upstreams_->Refresh());
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const made, authorities_.Find(id));
  SP_ASSIGN_OR_RETURN(response, Describe(*made));
  return absl::OkStatus();
}

absl::StatusOr<CertificateAuthority*> CertificateMethods::For(
    const std::string& tenant, const std::string& named) {
  if (named.empty()) return authorities_.For({.tenant = tenant});
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const wanted, Named(named));
  // The tenant's own, or everybody's where it has none.
  absl::StatusOr<CertificateAuthority*> chosen =
      authorities_.For({.tenant = tenant, .named = wanted->id()});
  if (ReasonOf(chosen.status()) != "AUTHORITY_NOT_FOUND") return chosen;
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "AUTHORITY_NOT_OF_TENANT",
                   "that authority does not certify for this tenant");
}

absl::Status CertificateMethods::GetAuthority(
    const pb::GetCertificateAuthorityRequest& request,
    pb::CertificateAuthority& response) {
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      Named(request.name()));
  SP_ASSIGN_OR_RETURN(response, Describe(*authority));
  return absl::OkStatus();
}

absl::Status CertificateMethods::ListAuthorities(
    const pb::ListCertificateAuthoritiesRequest& request,
    pb::ListCertificateAuthoritiesResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage("tenants/-", request.page_size(), request.page_token()));
  const std::vector<CertificateAuthority*> all = authorities_.All();
  const auto key = [](CertificateAuthority* one) { return one->id(); };
  return FillPage<pb::CertificateAuthority>(
      page, /*filter=*/"", ReadSorted(all, key), key,
      [this](CertificateAuthority* one) { return Describe(*one); },
      response.mutable_certificate_authorities(),
      response.mutable_next_page_token());
}

absl::Status CertificateMethods::UpdateAuthority(
    const pb::UpdateCertificateAuthorityRequest& request,
    const std::string& actor, pb::CertificateAuthority& response) {
  const pb::CertificateAuthority& wanted = request.certificate_authority();
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      Named(wanted.name()));
  const auto& paths = request.update_mask().paths();
  if (paths.size() == 1 && paths[0] == "disabled") {
    SP_RETURN_IF_ERROR(authority_admin_.SetDisabled(
        authority->id(), wanted.disabled(), actor, request.validate_only()));
    SP_ASSIGN_OR_RETURN(response, Describe(*authority));
    return absl::OkStatus();
  }
  const bool only_certificate =
      paths.empty() || (paths.size() == 1 && paths[0] == "certificate_pem");
  if (!only_certificate || wanted.certificate_pem().empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                     "of an authority certificate_pem or disabled can be "
                     "changed, one at a time");
  }
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                      CertificatesFromPem(wanted.certificate_pem()));
  const std::string before = authority->issuer().certificate_der;
  SP_RETURN_IF_ERROR(authorities_.Import(authority->id(), chain, actor,
                                         request.validate_only()));
  // One that waits to issue is trusted by its procedure.
  if (authority->issuer().certificate_der != before) {
    SP_RETURN_IF_ERROR(trust_.RenewOwn(actor));
  }
  SP_ASSIGN_OR_RETURN(response, Describe(*authority));
  return absl::OkStatus();
}

absl::Status CertificateMethods::DeleteAuthority(
    const pb::DeleteCertificateAuthorityRequest& request,
    const std::string& actor) {
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      Named(request.name()));
  return authority_admin_.Delete(authority->id(), actor,
                                 request.validate_only());
}

absl::Status CertificateMethods::GetRevocationList(
    const pb::GetRevocationListRequest& request, pb::RevocationList& response) {
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      Named(request.name()));
  const int64_t generation = request.generation() == 0 ? authority->generation()
                                                       : request.generation();
  const absl::Duration lifetime = lifetimes_.revocation_list;
  SP_ASSIGN_OR_RETURN(const SignedRevocationList list,
                      request.delta()
                          ? authority->DeltaListOf(generation, lifetime)
                          : authority->RevocationListOf(generation, lifetime));
  response.set_crl(list.der);
  response.set_base_number(list.base.value_or(0));
  *response.mutable_update_time() = ::sallyport::ToProto(list.this_update);
  *response.mutable_next_update_time() = ::sallyport::ToProto(list.next_update);
  response.set_revoked_count(static_cast<uint32_t>(list.revoked_count));
  return absl::OkStatus();
}

}  // namespace sallyport::capf
