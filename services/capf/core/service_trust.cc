#include "services/capf/core/service_trust.h"

namespace sallyport::capf {
namespace {

constexpr ServiceTrust kServices[] = {
    {"SIP client", true, "tomcat", ""},
    {"XMPP client", true, "cup-xmpp", ""},
    {"SIP Proxy", false, "cup", "cup-trust"},
    {"Presence Engine", false, "cup", "cup-trust"},
    {"SOAP", false, "tomcat", "directory-trust"},
    {"AXL", false, "tomcat", "directory-trust"},
    {"LDAP", false, "tomcat", "directory-trust"},
    {"Microsoft Exchange", false, "", "cup-trust"},
    {"Microsoft OCS/LCS call control", false, "cup", "cup-trust"},
    {"SIP federation", false, "cup", "cup-trust"},
    // IMP-18: with those of clients, as there is no store for servers alone.
    {"XMPP federation", false, "cup-xmpp-s2s", "cup-xmpp-trust"},
};

}  // namespace

absl::Span<const ServiceTrust> ServiceTrusts() { return kServices; }

}  // namespace sallyport::capf
