// What libosip2 reads (record.h).
#include <osipparser2/osip_parser.h>

#include "tests/differential/record.h"

static void WriteOsipUri(const char* key, const osip_uri_t* uri) {
  if (uri == nullptr) return WriteText(key, "?");
  if (uri->string != nullptr) {  // of another scheme: the whole
    return WriteUri(key, uri->scheme, uri->string, nullptr, nullptr);
  }
  WriteUri(key, uri->scheme, uri->username, uri->host, uri->port);
}

static void WriteTag(const char* key, osip_from_t* address) {
  osip_generic_param_t* tag = nullptr;
  osip_from_get_tag(address, &tag);
  WriteText(key, tag == nullptr ? nullptr : tag->gvalue);
}

static int Read(const char* text, size_t size) {
  osip_message_t* m = nullptr;
  if (osip_message_init(&m) != 0) abort();
  if (osip_message_parse(m, text, size) != 0) {
    osip_message_free(m);
    WriteText("refused", "osip_message_parse");
    return 0;
  }
  if (MSG_IS_REQUEST(m)) {
    WriteText("method", m->sip_method);
    WriteOsipUri("uri", m->req_uri);
  } else {
    WriteNumber("status", static_cast<unsigned long>(m->status_code));
  }
  if (m->from != nullptr) {
    WriteOsipUri("from", m->from->url);
    WriteTag("from_tag", m->from);
  }
  if (m->to != nullptr) {
    WriteOsipUri("to", m->to->url);
    WriteTag("to_tag", reinterpret_cast<osip_from_t*>(m->to));
  }
  if (m->call_id != nullptr) {
    char* whole = nullptr;
    osip_call_id_to_str(m->call_id, &whole);
    WriteText("call_id", whole);
    osip_free(whole);
  }
  if (m->cseq != nullptr) {
    WriteText("cseq", m->cseq->number);
    WriteText("cseq_method", m->cseq->method);
  }
  for (int i = 0; i < osip_list_size(&m->vias); ++i) {
    auto* via = static_cast<osip_via_t*>(osip_list_get(&m->vias, i));
    osip_generic_param_t* branch = nullptr;
    osip_via_param_get_byname(via, const_cast<char*>("branch"), &branch);
    WriteUri("via", via->protocol, branch == nullptr ? "" : branch->gvalue,
             via->host, via->port);
  }
  for (int i = 0; i < osip_list_size(&m->contacts); ++i) {
    auto* each = static_cast<osip_contact_t*>(osip_list_get(&m->contacts, i));
    if (each->url == nullptr && each->displayname != nullptr &&
        each->displayname[0] == '*') {
      WriteText("contact", "*");
    } else {
      WriteOsipUri("contact", each->url);
    }
  }
  for (int i = 0; i < osip_list_size(&m->routes); ++i) {
    WriteOsipUri("route",
                 static_cast<osip_route_t*>(osip_list_get(&m->routes, i))->url);
  }
  for (int i = 0; i < osip_list_size(&m->record_routes); ++i) {
    WriteOsipUri(
        "record_route",
        static_cast<osip_route_t*>(osip_list_get(&m->record_routes, i))->url);
  }
  if (m->content_length != nullptr) {
    WriteText("length", m->content_length->value);
  }
  if (osip_list_size(&m->bodies) > 1) {
    WriteText("body_parts", "multipart");
  } else {
    osip_body_t* body = nullptr;
    osip_message_get_body(m, 0, &body);
    if (body == nullptr) {
      WriteText("body", "");
    } else {
      WriteValue("body", body->body, body->length);
    }
  }
  osip_message_free(m);
  return 0;
}

int main() {
  parser_init();
  size_t size = 0;
  while (char* text = NextMessage(&size)) {
    Read(text, size);
    EndRecord();
    free(text);
  }
  return 0;
}
