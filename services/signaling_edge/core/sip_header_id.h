// The header fields that this edge knows by name, with their compact forms and
// whether they may stand only once in a message.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_HEADER_ID_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_HEADER_ID_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::signaling_edge {

enum class HeaderId : uint8_t {
  kOther,  // known by its text only
  kAccept,
  kAcceptContact,
  kAcceptEncoding,
  kAcceptLanguage,
  kAlertInfo,
  kAllow,
  kAllowEvents,
  kAuthenticationInfo,
  kAuthorization,
  kCallId,
  kCallInfo,
  kContact,
  kContentDisposition,
  kContentEncoding,
  kContentLanguage,
  kContentLength,
  kContentType,
  kCseq,
  kDate,
  kDiversion,
  kErrorInfo,
  kEvent,
  kExpires,
  kFlowTimer,
  kFrom,
  kHistoryInfo,
  kIdentity,
  kInReplyTo,
  kJoin,
  kMaxBreadth,
  kMaxForwards,
  kMimeVersion,
  kMinExpires,
  kMinSe,
  kOrganization,
  kPAssertedIdentity,
  kPChargingFunctionAddresses,
  kPChargingVector,
  kPPreferredIdentity,
  kPath,
  kPriority,
  kPrivacy,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyRequire,
  kRack,
  kReason,
  kRecordRoute,
  kReferTo,
  kReferredBy,
  kRejectContact,
  kRemotePartyId,
  kReplaces,
  kReplyTo,
  kRequestDisposition,
  kRequire,
  kRetryAfter,
  kRoute,
  kRseq,
  kServer,
  kServiceRoute,
  kSessionExpires,
  kSipEtag,
  kSipIfMatch,
  kSubject,
  kSubscriptionState,
  kSupported,
  kTimestamp,
  kTo,
  kUnsupported,
  kUserAgent,
  kVia,
  kWarning,
  kWwwAuthenticate,
};

inline constexpr size_t kHeaderIdCount =
    static_cast<size_t>(HeaderId::kWwwAuthenticate) + 1;

// By long or compact name, in any case.
HeaderId HeaderIdFrom(std::string_view name);

// The long name as its RFC spells it; "" for kOther.
std::string_view HeaderName(HeaderId id);

// True for fields with exactly one owner: a second one makes a message
// ambiguous and is refused.
bool IsSingleton(HeaderId id);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_HEADER_ID_H_
