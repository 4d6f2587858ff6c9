// The list of supported gateways, PBXs and servers (UM-128), and what it says
// about the certificate that we show them (UM-89).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_KNOWN_PEERS_H_
#define SALLYPORT_SERVICES_COMMON_PKI_KNOWN_PEERS_H_

#include <string_view>

namespace sallyport {

struct KnownPeer {
  std::string_view name;  // for operators: "Dialogic 2000"
  // They take a certificate of a computer V3 template only, with server and
  // client authentication; others also one of a web server template, with
  // server authentication alone.
  bool wants_client_auth = true;
};

// By vendor and model as an operator writes them, in any case: "Dialogic" and
// "DMG2060DTI". What is on no list is as strict as the strictest (UM-90).
KnownPeer FindKnownPeer(std::string_view vendor, std::string_view model);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_KNOWN_PEERS_H_
