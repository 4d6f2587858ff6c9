#include "services/signaling_edge/core/registration_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status BadContact(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SIP_HEADER_MALFORMED",
                   what);
}

absl::Status ReadContacts(const SipMessage& request, Registrar::Request& out) {
  const std::optional<uint32_t> common =
      ParseDeltaSeconds(request.Value(HeaderId::kExpires));
  for (const std::string_view item : request.Items(HeaderId::kContact)) {
    if (IsStar(item)) {
      out.all = true;
      continue;
    }
    const auto contact = ParseNameAddr(item);
    if (!contact.ok()) return BadContact("Contact");
    const auto uri = ParseSipUri(contact->uri);
    if (!uri.ok() || uri->scheme == UriScheme::kTel) {
      return BadContact("Contact is no SIP URI");
    }
    Registrar::Contact entry;
    entry.uri = contact->uri;
    entry.expires = common;
    if (const auto expires = contact->Param("expires")) {
      // Malformed means the default (section 20.10).
      entry.expires = ParseDeltaSeconds(Unquote(*expires));
    }
    if (const auto instance = contact->Param("+sip.instance")) {
      entry.instance = Unquote(*instance);
    }
    out.contacts.push_back(std::move(entry));
  }
  // "*" stands alone and with Expires: 0 (section 10.3 step 6).
  if (out.all && (!out.contacts.empty() || common != 0u)) {
    return BadContact("Contact: * with other contacts or without Expires: 0");
  }
  return absl::OkStatus();
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
    case Authentication::kSourceAddress:
      return "SOURCE_ADDRESS";
  }
  return "NONE";
}

RegisterOutcome Register(const SipMessage& request, const Party& user,
                         const Flow& flow, size_t max_contacts,
                         std::string_view to_tag, Registrar& registrar,
                         MonoTime now) {
  RegisterOutcome outcome;
  Registrar::Request change;
  change.user = user.resource;
  change.flow = flow;
  change.call_id = request.Value(HeaderId::kCallId);
  const auto cseq = ParseCseq(request.Value(HeaderId::kCseq));
  change.cseq = cseq.ok() ? cseq->number : 0;
  change.max_contacts = max_contacts;
  change.user_agent = request.Value(HeaderId::kUserAgent);
  change.authentication = AuthenticationName(user.authentication);
  change.phone = user.phone;
  outcome.refusal = ReadContacts(request, change);
  if (outcome.refusal.ok()) {
    auto changes = registrar.OnRegister(change, now);
    if (changes.ok()) {
      outcome.changes = *std::move(changes);
    } else {
      outcome.refusal = changes.status();
    }
  }
  if (!outcome.refusal.ok()) {
    const SipStatus answer = SipStatusOf(outcome.refusal);
    outcome.response =
        MakeResponse(request, answer.code, answer.phrase, to_tag);
    if (answer.code == 423) {
      outcome.response.SetUint(
          HeaderId::kMinExpires,
          static_cast<uint32_t>(absl::ToInt64Seconds(registrar.min_expires())));
    }
    return outcome;
  }
  outcome.response = MakeResponse(request, 200, ReasonPhrase(200), to_tag);
  for (const Binding* binding : registrar.Of(user.resource)) {
    const int64_t left = absl::ToInt64Seconds(binding->expires - now);
    std::string contact =
        Cat("<", binding->contact, ">;expires=", std::max<int64_t>(left, 0));
    if (!binding->instance.empty()) {
      CatTo(contact, ";+sip.instance=", Quote(binding->instance));
    }
    outcome.response.Add(HeaderId::kContact, contact);
  }
  return outcome;
}

}  // namespace sallyport::signaling_edge
