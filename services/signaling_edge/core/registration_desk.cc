#include "services/signaling_edge/core/registration_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxPath = 10;
constexpr size_t kMaxPathOctets = 2048;
// What is done for registrations and no other requests.
constexpr std::string_view kSupported = "path, outbound, gin, gruu";

absl::Status BadHeader(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SIP_HEADER_MALFORMED",
                   what);
}

absl::Status ReadPath(const SipMessage& request, RegisterRequest& out) {
  size_t octets = 0;
  for (const std::string_view item : request.Items(HeaderId::kPath)) {
    const auto address = ParseNameAddr(item);
    if (!address.ok() || !ParseSipUri(address->uri).ok()) {
      return BadHeader("Path");
    }
    octets += item.size();
    out.path.emplace_back(item);
  }
  if (out.path.size() > kMaxPath || octets > kMaxPathOctets) {
    return BadHeader("Path is too long");
  }
  if (!out.path.empty() && !NamesToken(request, HeaderId::kSupported, "path")) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PATH_NOT_SUPPORTED",
                     "a proxy adds Path, and the client does not support it");
  }
  return absl::OkStatus();
}

// RFC 5626 section 6: the proxy next to the client keeps the flow, and says so
// by "ob"; where there is none, that is us.
bool FirstHopKeepsFlow(const SipMessage& request,
                       const std::vector<std::string>& path) {
  if (path.empty()) return request.Items(HeaderId::kVia).size() <= 1;
  const auto address = ParseNameAddr(path.back());
  const auto uri = ParseSipUri(address->uri);
  return uri->Param("ob").has_value();
}

absl::Status ReadContacts(const SipMessage& request, const Flow& flow,
                          const RegisterPolicy& policy, Registration& out) {
  RegisterRequest& change = out.change;
  const bool supported =
      NamesToken(request, HeaderId::kSupported, "outbound") ||
      NamesToken(request, HeaderId::kRequire, "outbound");
  const bool gin = NamesToken(request, HeaderId::kRequire, "gin");
  const std::optional<uint32_t> common =
      ParseDeltaSeconds(request.Value(HeaderId::kExpires));
  size_t lasting = 0;
  bool has_reg_id = false;
  for (const std::string_view item : request.Items(HeaderId::kContact)) {
    if (IsStar(item)) {
      change.all = true;
      continue;
    }
    const auto contact = ParseNameAddr(item);
    if (!contact.ok()) return BadHeader("Contact");
    const auto uri = ParseSipUri(contact->uri);
    if (!uri.ok() || uri->scheme == UriScheme::kTel) {
      return BadHeader("Contact is no SIP URI");
    }
    if (uri->is_sips() && !flow.is_tls()) {  // RFC 5630 section 5.1.1
      return BadHeader("Contact is SIPS, and did not come over TLS");
    }
    RegisterContact entry;
    entry.uri = contact->uri;
    entry.expires = common;
    if (const auto expires = contact->Param("expires")) {
      // Malformed means the default (section 20.10).
      entry.expires = ParseDeltaSeconds(Unquote(*expires));
    }
    if (entry.expires != 0u) ++lasting;
    if (const auto instance = contact->Param("+sip.instance")) {
      entry.instance = Unquote(*instance);
    }
    if (const auto reg_id = contact->Param("reg-id")) {
      // Without an instance it means nothing (RFC 5626 section 6).
      const auto number = ParseUint(*reg_id, 0x7FFF'FFFF);
      if (!number.has_value() || *number == 0) return BadHeader("reg-id");
      if (supported && !entry.instance.empty()) entry.reg_id = *number;
    }
    has_reg_id |= entry.reg_id != 0;
    if (uri->Param("bnc").has_value()) {
      if (!gin) return BadHeader("bnc without Require: gin");
      if (uri->has_user()) return BadHeader("bnc with a user part");
      if (!policy.may_be_bulk) {
        return MakeError(absl::StatusCode::kPermissionDenied,
                         "BULK_NOT_ALLOWED",
                         "the user may not register all its numbers at once");
      }
      entry.bulk = true;
    }
    change.contacts.push_back(std::move(entry));
  }
  // "*" stands alone and with Expires: 0 (section 10.3 step 6).
  if (change.all && (!change.contacts.empty() || common != 0u)) {
    return BadHeader("Contact: * with other contacts or without Expires: 0");
  }
  // Which of them would be at the other end of the flow?
  if (has_reg_id && lasting > 1) {
    return BadHeader("a contact with reg-id stands alone");
  }
  if (has_reg_id && !FirstHopKeepsFlow(request, change.path)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "FIRST_HOP_LACKS_OUTBOUND",
                     "the first proxy does not keep flows");
  }
  out.outbound = has_reg_id && lasting > 0;
  return absl::OkStatus();
}

void AddGruus(const Binding& binding, const RegisterPolicy& policy,
              std::string& contact) {
  if (binding.bulk) {
    // RFC 6140 section 7.1.1: the PBX puts the number in.
    CatTo(contact, ";pub-gruu=",
          Quote(Cat("sip:", policy.domain,
                    ";bg=", InstanceParam(binding.instance))));
    return;
  }
  // RFC 5627 section 5.3.
  CatTo(contact, ";pub-gruu=",
        Quote(PublicGruu(policy.username, policy.domain, binding.instance)));
  if (policy.gruus == nullptr) return;
  const std::string temporary =
      policy.gruus->Make(policy.username, policy.domain, binding);
  if (!temporary.empty()) CatTo(contact, ";temp-gruu=", Quote(temporary));
}

}  // namespace

std::string_view AuthenticationName(Authentication authentication) {
  switch (authentication) {
    case Authentication::kNone:
      return "NONE";
    case Authentication::kDigestMd5:
      return "DIGEST_MD5";
    case Authentication::kDigestSha256:
      return "DIGEST_SHA_256";
    case Authentication::kPeerCertificate:
      return "PEER_CERTIFICATE";
    case Authentication::kLscAndDigestMd5:
      return "LSC_AND_DIGEST_MD5";
    case Authentication::kLscAndDigestSha256:
      return "LSC_AND_DIGEST_SHA_256";
    case Authentication::kLsc:
      return "LSC";
    case Authentication::kSourceAddress:
      return "SOURCE_ADDRESS";
  }
  return "NONE";
}

absl::StatusOr<Registration> ReadRegister(const SipMessage& request,
                                          const Party& user, const Flow& flow,
                                          const RegisterPolicy& policy) {
  Registration out;
  RegisterRequest& change = out.change;
  change.user = user.resource;
  change.flow = flow;
  change.call_id = request.Value(HeaderId::kCallId);
  const auto cseq = ParseCseq(request.Value(HeaderId::kCseq));
  change.cseq = cseq.ok() ? cseq->number : 0;
  change.max_contacts = policy.max_contacts;
  change.max_of_tenant = policy.max_of_tenant;
  change.user_agent = request.Value(HeaderId::kUserAgent);
  change.authentication = AuthenticationName(user.authentication);
  change.phone = user.phone;
  out.gruu = NamesToken(request, HeaderId::kSupported, "gruu");
  SP_RETURN_IF_ERROR(ReadPath(request, change));
  SP_RETURN_IF_ERROR(ReadContacts(request, flow, policy, out));
  return out;
}

SipMessage RegisterRefusal(const SipMessage& request,
                           const absl::Status& refusal,
                           absl::Duration min_expires,
                           std::string_view to_tag) {
  const SipStatus answer = SipStatusOf(refusal);
  SipMessage response =
      MakeResponse(request, answer.code, answer.phrase, to_tag);
  if (answer.code == 423) {
    response.SetUint(HeaderId::kMinExpires,
                     static_cast<uint32_t>(absl::ToInt64Seconds(min_expires)));
  } else if (answer.code == 420) {
    response.Add(HeaderId::kUnsupported, "path");
  } else if (answer.code == 503) {
    response.SetUint(HeaderId::kRetryAfter, 5);
  }
  return response;
}

SipMessage RegisterAnswer(const SipMessage& request,
                          const Registration& registration,
                          const std::vector<const Binding*>& bindings,
                          const RegisterPolicy& policy, std::string_view to_tag,
                          MonoTime now) {
  SipMessage response = MakeResponse(request, 200, ReasonPhrase(200), to_tag);
  for (const Binding* binding : bindings) {
    const int64_t left = absl::ToInt64Seconds(binding->expires - now);
    std::string contact =
        Cat("<", binding->contact, ">;expires=", std::max<int64_t>(left, 0));
    if (!binding->instance.empty()) {
      CatTo(contact, ";+sip.instance=", Quote(binding->instance));
    }
    if (binding->reg_id != 0) CatTo(contact, ";reg-id=", binding->reg_id);
    if (registration.gruu && !binding->instance.empty()) {
      AddGruus(*binding, policy, contact);
    }
    response.Add(HeaderId::kContact, contact);
  }
  for (const std::string& hop : registration.change.path) {
    response.Add(HeaderId::kPath, hop);  // RFC 3327 section 5.3
  }
  if (!policy.service_route.empty()) {  // RFC 3608 section 6.3
    response.Add(HeaderId::kServiceRoute, Cat("<", policy.service_route, ">"));
  }
  response.Add(HeaderId::kSupported, kSupported);
  if (registration.outbound) {  // RFC 5626 section 6
    response.Add(HeaderId::kRequire, "outbound");
    if (policy.flow_timer > absl::ZeroDuration()) {
      response.SetUint(
          HeaderId::kFlowTimer,
          static_cast<uint32_t>(absl::ToInt64Seconds(policy.flow_timer)));
    }
  }
  return response;
}

std::string BulkTarget(std::string_view contact, std::string_view number,
                       std::string_view sg) {
  auto uri = ParseSipUri(contact);
  if (!uri.ok()) return std::string(contact);
  const std::string user = PercentEncode(number, "+*#");
  std::string params;
  for (std::string_view rest = uri->params; !rest.empty();) {
    const size_t end = rest.find(';', 1);
    const std::string_view one = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end);
    if (!EqualsIgnoreCase(one.substr(0, 4), ";bnc") ||
        (one.size() > 4 && one[4] != '=')) {
      params += one;
    }
  }
  if (!sg.empty()) CatTo(params, ";sg=", sg);
  uri->user = user;
  uri->params = params;
  return uri->ToString();
}

}  // namespace sallyport::signaling_edge
