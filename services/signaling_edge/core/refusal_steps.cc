#include "services/signaling_edge/core/refusal_steps.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/registration_desk.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// What a reason begins with, and the check that gives it; of several the first
// counts.
constexpr std::pair<std::string_view, std::string_view> kChecks[] = {
    {"BULK_", "contacts"},
    {"CALL_LIMIT", "admission"},
    {"CALL_OWNER_", "owner"},
    {"CLUSTER_NOT_MIXED", "cluster_mode"},
    {"CONNECTION_LIMIT", "admission"},
    {"CSEQ_", "dialog"},
    {"DIALLING_RESTRICTED", "route"},
    {"DIALOG_", "dialog"},
    {"DIAL_PLAN_NOT_SERVED", "dial_plan"},
    {"DIGEST_", "password"},
    {"DRAINING", "admission"},
    {"DTLS_", "media"},
    {"EXTENSION_UNSUPPORTED", "extensions"},
    {"HANDSHAKE_LIMIT", "admission"},
    {"HANDSHAKE_TIMEOUT", "handshake"},
    {"HUNT_LIST_DISABLED", "route"},
    {"ICE_", "media"},
    {"IDENTITY_NOT_ALLOWED", "identity"},
    {"LINE_CALL_LIMIT", "admission"},
    {"LOOP_DETECTED", "loop"},
    {"MAX_BREADTH_EXCEEDED", "loop"},
    {"MEDIA_", "media"},
    {"MERGED_REQUEST", "loop"},
    {"METHOD_", "method"},
    {"NOT_ALLOWED_IN_FIPS_MODE", "password"},
    {"NO_CONFIGURATION", "configuration"},
    {"NO_TARGET", "route"},
    {"NULL_CIPHER_NOT_ALLOWED", "media"},
    {"NUMBER_INVALID", "route"},
    {"OUTCALLS_NOT_ALLOWED", "route"},
    {"OVERLOADED", "admission"},
    {"PASSWORD_GUESSING", "source"},
    {"PATTERN_BLOCKED", "route"},
    {"PEER_BUSY", "contacts"},
    {"PEER_CALL_LIMIT", "admission"},
    {"PEER_CERTIFICATE_EXPIRED", "chain"},
    {"PEER_CERTIFICATE_MALFORMED", "certificate"},
    {"PEER_CERTIFICATE_MISSING", "certificate"},
    {"PEER_CERTIFICATE_NOT_YET_VALID", "chain"},
    {"PEER_CERTIFICATE_REVOKED", "chain"},
    {"PEER_CERTIFICATE_UNTRUSTED", "chain"},
    {"PEER_CERTIFICATE_USAGE", "usage"},
    {"PEER_CERTIFICATE_WRONG_USAGE", "usage"},
    {"PEER_DISABLED", "status"},
    {"PEER_IDENTITY_", "identity"},
    {"PEER_NO_NEW_CALLS", "status"},
    {"PHONE_DISABLED", "status"},
    {"PHONE_SYSTEM_DISABLED", "status"},
    {"PORT_CHANNEL_FAILED", "media"},
    {"PORT_DISABLED", "status"},
    {"PROXY_HEADER_", "proxy_header"},
    {"QUEUE_FULL", "queue"},
    {"RATE_LIMITED", "admission"},
    {"REPLACES_", "replaces"},
    {"ROUTE_", "route"},
    {"RTCP_MUX_REQUIRED", "media"},
    {"SCANNER_", "source"},
    {"SDES_", "media"},
    {"SDP_", "media"},
    {"SECURITY_MODE_", "security_mode"},
    {"SESSION_INTERVAL_TOO_SMALL", "session_timer"},
    {"SIPS_NOT_ALLOWED", "sips"},
    {"SIP_", "parser"},
    {"SRTP_", "media"},
    {"START_MODE_", "start_mode"},
    {"SUBSCRIPTION_LIMIT", "admission"},
    {"TENANT_CALL_LIMIT", "admission"},
    {"TENANT_RATE_LIMITED", "admission"},
    {"TENANT_REGISTRATION_LIMIT", "admission"},
    {"TLS_ALERT_RECEIVED", "handshake"},
    {"TLS_CIPHER_NOT_ALLOWED", "tls_context"},
    {"TLS_HANDSHAKE_FAILED", "handshake"},
    {"TLS_RECORD_INVALID", "handshake"},
    {"TLS_VERSION_NOT_ALLOWED", "tls_context"},
    {"TOLL_", "toll"},
    {"TOO_MANY_HOPS", "loop"},
    {"TRANSACTION_LIMIT", "admission"},
    {"TRANSACTION_NOT_FOUND", "dialog"},
    {"TRANSLATION_LOOP", "route"},
    {"TRANSPORT_NOT_ALLOWED", "transport"},
    {"URI_SCHEME_UNSUPPORTED", "uri"},
    {"USER_DISABLED", "status"},
    {"USER_NOT_REGISTERED", "contacts"},
    {"USER_RATE_LIMITED", "password"},
};

// Of a certificate, in the order in which they are made.
constexpr std::array<std::string_view, 7> kCertificateChecks = {
    "certificate", "chain",  "usage",      "identity",
    "trust_store", "status", "tls_context"};

std::string Step(std::string_view check, std::string_view outcome) {
  return Cat(check, ": ", outcome);
}

void Refused(RefusalSteps& steps, std::string_view reason,
             std::string_view otherwise) {
  steps.push_back(Step(CheckOf(reason, otherwise), reason));
}

RefusalSteps Of(const Party& sender) {
  RefusalSteps steps = {
      Step("sender", AuthenticationName(sender.authentication))};
  if (!sender.dial_plan.empty()) {
    steps.push_back(Step("dial_plan", sender.dial_plan));
  }
  return steps;
}

}  // namespace

std::string_view CheckOf(std::string_view reason, std::string_view otherwise) {
  for (const auto& [prefix, check] : kChecks) {
    if (reason.starts_with(prefix)) return check;
  }
  return otherwise;
}

RefusalSteps ConnectionSteps(std::string_view reason, ConnectionStage stage,
                             const TlsFacts* tls, std::string_view address) {
  std::string_view failed = CheckOf(reason, "connection");
  // Somebody's name, but by another store than that peer's.
  if (stage == ConnectionStage::kIdentity &&
      reason == "PEER_CERTIFICATE_UNTRUSTED") {
    failed = "trust_store";
  }
  RefusalSteps steps;
  const auto last =
      std::find(kCertificateChecks.begin(), kCertificateChecks.end(), failed);
  if (tls != nullptr && tls->certificate.has_value() &&
      last != kCertificateChecks.end()) {
    for (auto check = kCertificateChecks.begin(); check != last; ++check) {
      steps.push_back(Step(*check, "ok"));
    }
    if (!address.empty()) steps.push_back(Step("address", address));
    if (stage == ConnectionStage::kIdentity &&
        reason == "PEER_IDENTITY_MISMATCH") {
      const size_t names = SipIdentities(*tls->certificate).size();
      steps.push_back(Step(
          failed,
          Cat("0 of ", names, names == 1 ? " name matches" : " names match")));
      return steps;
    }
  } else if (!address.empty()) {
    steps.push_back(Step("address", address));
  }
  steps.push_back(Step(failed, reason));
  return steps;
}

RefusalSteps RequestSteps(LoadClass source, std::string_view reason,
                          std::string_view otherwise,
                          std::string_view address) {
  RefusalSteps steps = {Step("source", source == LoadClass::kProven ? "proven"
                                       : source == LoadClass::kFamiliar
                                           ? "familiar"
                                           : "stranger")};
  if (!address.empty()) steps.push_back(Step("address", address));
  Refused(steps, reason, otherwise);
  return steps;
}

RefusalSteps PartySteps(const Party& sender, std::string_view reason,
                        std::string_view otherwise) {
  RefusalSteps steps = Of(sender);
  Refused(steps, reason, otherwise);
  return steps;
}

RefusalSteps AttemptSteps(const Attempt& attempt, std::string_view reason) {
  RefusalSteps steps = Of(attempt.caller);
  if (attempt.transfer == 0) steps.push_back(Step("loop", "none"));
  const Resolution& found = attempt.resolution;
  const bool asked = !attempt.query.called.empty();  // the plan, by then
  const bool routed = asked && found.outcome != Resolution::Outcome::kRefused;
  if (routed) {
    steps.push_back(Step("route", found.pattern_name.empty()
                                      ? std::string_view("ok")
                                      : std::string_view(found.pattern_name)));
    if (attempt.turns > 0) {
      steps.push_back(Step("forwarded", Cat(attempt.turns)));
    }
    if (attempt.admitted) steps.push_back(Step("admission", "ok"));
  }
  for (const PassedOver& one : attempt.passed_over) {
    steps.push_back(Step(one.name, ReasonOf(one.why)));
  }
  if (attempt.last_branch != 0) {
    steps.push_back(Step("called", "without success"));
  }
  // The place has said it already.
  if (attempt.passed_over.empty() ||
      ReasonOf(attempt.passed_over.back().why) != reason) {
    Refused(steps, reason, !asked || !routed ? "route" : "call");
  }
  return steps;
}

RefusalSteps CallSteps(const CallRecord& call, LegSide offender,
                       std::string_view reason, std::string_view otherwise) {
  RefusalSteps steps;
  if (!call.legs.empty()) steps = Of(call.legs[0].party);
  if (!call.matched_resource.empty()) {
    steps.push_back(Step("route", call.matched_resource));
  }
  if (call.legs.size() > 1 && !call.legs[1].party.resource.empty()) {
    steps.push_back(Step("called", call.legs[1].party.resource));
  }
  if (call.answered.has_value()) steps.push_back(Step("call", "answered"));
  steps.push_back(Step("leg", offender == LegSide::kA ? "caller" : "called"));
  Refused(steps, reason, otherwise);
  return steps;
}

}  // namespace sallyport::signaling_edge
