// files.h: the sources of the digit page, which tools/embed.sh makes strings of.
//
// Each is the file of that name in this folder, as it is. page.html has places in double braces.
#pragma once

extern const char* const page_html;
extern const char* const page_css;
extern const char* const sheet_js;
extern const char* const prepare_js;
extern const char* const network_js;
extern const char* const show_js;
extern const char* const draw_js;
