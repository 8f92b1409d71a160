"""The shapes of health and of a dataset, as in `static/img/icons.svg`: a picture carries its own, to be whole."""

from __future__ import annotations

LINE = 'fill="none" stroke="currentColor" stroke-width="{}" stroke-linecap="round" stroke-linejoin="round"'
PEN, THIN, FINE = LINE.format("1.6"), LINE.format("1.4"), LINE.format("1.3")

SHAPES = {
    "h-failing": (
        '<path fill="currentColor" fill-rule="evenodd" d="M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14z'
        "M10.33 4.32 11.68 5.67 9.34 8.00 11.68 10.33 10.33 11.68 8.00 9.34 "
        '5.67 11.68 4.32 10.33 6.66 8.00 4.32 5.67 5.67 4.32 8.00 6.66z"/>'
    ),
    "h-late": (f'<g {PEN}><circle cx="8" cy="8" r="6.2"/><path d="M8 4.4V8l2.4 1.6"/></g>'),
    "h-at-risk": (
        '<path fill="currentColor" d="M8 1.6a1 1 0 0 1 .87.5l6 10.6a1 1 0 0 1-.87 1.5'
        'H2a1 1 0 0 1-.87-1.5l6-10.6A1 1 0 0 1 8 1.6z"/>'
    ),
    "h-running": (f'<circle {PEN} cx="8" cy="8" r="6.2"/><path fill="currentColor" d="M8 1.8a6.2 6.2 0 0 1 0 12.4z"/>'),
    "h-healthy": (f'<path {PEN} d="M3 8.6l3.2 3.2L13 4.8"/>'),
    "h-never-run": (f'<circle {PEN} cx="8" cy="8" r="5.8"/>'),
    "h-unknown": (
        f'<circle {PEN} cx="8" cy="8" r="6.2" stroke-dasharray="2.2 2.2"/>'
        f'<path {FINE} d="M6.5 6.3a1.6 1.6 0 1 1 2.3 1.5c-.5.3-.8.6-.8 1.2M8 11v.05"/>'
    ),
    "h-warn": (f'<g {PEN}><path d="M8 2.2L14.3 13.4H1.7z"/><path d="M8 6.6v3M8 11.5v.1"/></g>'),
    "dataset": (
        f'<path {THIN} d="M3.5 4c0 1.2 2 2 4.5 2s4.5-.8 4.5-2-2-2-4.5-2-4.5.8-4.5 2z'
        'm0 0v8c0 1.2 2 2 4.5 2s4.5-.8 4.5-2V4"/>'
    ),
}
