"""What the hotline says in English."""

from __future__ import annotations

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}

TEXTS: dict[str, str] = {
    "greeting": (
        "This is the Xiangyin hotline. In danger, hang up now and dial 1 1 0, 1 1 9 or 1 2 0."
    ),
    "menu": "To report a problem, press one. If you were just cheated of money, press five.",
    "menu_more": (
        "For progress, press two. Village news, three. To report for somebody else, four. "
        "To speak to a person, zero. Or simply wait."
    ),
    "language": "For English, press the star key.",
    "consent": (
        "You will be recorded. Only our staff listen, to deal with it; kept 180 days after that. "
        "To agree, press one; confidential, two; to decline, nine. "
        "Or agree by speaking after the beep."
    ),
    "fraud": (
        "Hang up now and dial 1 1 0 or 9 6 1 1 0. To leave a message, stay on the line: "
        "you are recorded after the beep, for the police."
    ),
    "village_is": "Is it about",
    "village_right": "? If yes, press one. If not, press two.",
    "village_code": "Enter the three-digit village code of the poster. Not known: press hash.",
    "village_unknown": "There is no such village code.",
    "record": "After the beep, say which village and what the matter is. Then press hash.",
    "record_for": (
        "After the beep, say for whom you report, which village, what the matter is, "
        "and how to reach the person. Then press hash."
    ),
    "once_more": "I did not hear you. After the beep, say it again. Then press hash.",
    "thirty_seconds": "Thirty seconds left.",
    "review": (
        "Recorded. To send it, press one. To listen, two. To say it again, three. "
        "To add something, four. Or wait, and it is sent."
    ),
    "review_full": "Recorded. To send it, press one. To listen, two. Or wait, and it is sent.",
    "record_again": "After the beep, say it again. Then press hash.",
    "record_more": "After the beep, go on. Then press hash.",
    "not_heard": "I did not hear you. What you said before is kept.",
    "reference": "Thank you, it is noted. Your reference number is,",
    "again": "Once more,",
    "pin": "Your PIN is,",
    "goodbye": "Our staff will contact you. Goodbye.",
    "goodbye_withheld": (
        "Your number was withheld: please keep the number and the PIN, and call to ask. Goodbye."
    ),
    "reference_later": "Thank you, it is noted. Our staff will phone you the reference number.",
    "reference_none": "Thank you, it is noted.",
    "no_consent": "I did not hear your choice. Nothing was recorded.",
    "no_speech": "I did not hear you.",
    "declined": "All right, nothing was recorded. You can also come to the police station.",
    "call_back": "Our staff will call you back. Goodbye.",
    "call_again": "Your number was withheld, so we cannot call back. Please call again. Goodbye.",
    "farewell": "Goodbye.",
    "apology_disk": "Sorry, the recording stopped early. What you said before is kept.",
    "apology_down": "Sorry, something failed; nothing was recorded. If it is urgent, dial 1 1 0.",
    "office_away": "Sorry, we cannot look this up now.",
    "please_wait": "We are looking for somebody. Please stay on the line.",
    "nobody": "Nobody can take your call now.",
    "status_number": "Enter the nine digits of your reference number.",
    "status_pin": "Enter the four digits of your PIN.",
    "found": "Found.",
    "not_found": "The number or the PIN is wrong.",
    "locked": "Too many wrong tries. Please try again later.",
    "state_received": "Your report is registered and waits to be heard.",
    "state_under_review": "Our staff are listening to your report.",
    "state_accepted": "Your report has been accepted.",
    "state_rejected": (
        "We cannot deal with your report. Our staff will phone you and say why, and who can."
    ),
    "state_rejected_told": (
        "We cannot deal with your report. Our staff have phoned you and said why, and who can."
    ),
    "state_rejected_ask": (
        "We cannot deal with your report. To hear why, and who can, press zero."
    ),
    "state_no_content": (
        "We could not hear anything in your report. Please call again and speak after the beep."
    ),
    "state_duplicate": "Your report was joined with others about the same matter.",
    "status_triaged": "Your report has been accepted. We are choosing who deals with it.",
    "status_assigned": "Your matter has been given to somebody.",
    "status_return_requested": "Your matter is being passed to somebody else.",
    "status_accepted": "Somebody has taken your matter on.",
    "status_in_progress": "Your matter is being dealt with.",
    "status_on_hold": (
        "Your matter is paused and will be taken up again. "
        "For the reason, press zero, or look it up on our page."
    ),
    "status_resolved": "Your matter is dealt with. We will ask you whether it is.",
    "status_verifying": "Your matter is dealt with. We are asking about it now.",
    "status_closed": "Your matter is closed.",
    "due": "It is promised by,",
    "reply": "A message for you:",
    "not_satisfied": "Not satisfied? Press one. To hear it again, two. For a person, zero.",
    "remind_choice": "To remind us, press one. To hear it again, two. For a person, zero.",
    "appeal_choice": (
        "To have it looked at again, press one. To hear it again, two. For a person, zero."
    ),
    "status_choice": "To hear it again, press two. For a person, zero.",
    "dissatisfied": "You are not satisfied. That is noted, and the matter is opened again.",
    "dissatisfied_later": "That is noted.",
    "objected_appealed": "Another look is taken at it.",
    "objected_reminded": "It is still being worked on. We have reminded those responsible.",
    "objected_repeated": "We know already. Those responsible have been told today.",
    "objected_too_late": "It was closed too long ago to be opened again. Please say it anew.",
    "why": "After the beep, say why. You are recorded, for our staff only. Or hang up.",
    "news_none": "There is no news of this village now.",
    "news_unknown": "We do not know which village you mean.",
    "news_code": (
        "To enter a village code for the news: three. To report a problem: one. A person: zero."
    ),
    "news_over": "That was the news.",
    "news_choice": "Again: three. To report a problem: one. A person: zero.",
    "news_leave": "To report a problem: one. A person: zero.",
    "staff_number": "Enter the six digits of your staff number.",
    "staff_pin": "Enter the six digits of your PIN.",
    "staff_refused": "The number or the PIN is wrong.",
    "studio_record": (
        "You are recorded for a programme. Speak after the beep, at most ten minutes. "
        "Then press hash."
    ),
    "studio_review": (
        "Recorded. To submit it, press one. To listen, two. To record again, three. To go on, four."
    ),
    "studio_full": "Recorded. To submit it, press one. To listen, two.",
    "studio_submitted": "Your programme is submitted and waits for approval. Goodbye.",
    "not_submitted": "Nothing was submitted. The recording is kept. Goodbye.",
    "quiet_on": "The loudspeakers are quiet now.",
    "quiet_menu": "Quiet for an hour, press one. Until tomorrow morning, two. To end it, three.",
    "quiet_hour": "What is playing ends first; then it is quiet for an hour.",
    "quiet_morning": "What is playing ends first; then it is quiet until tomorrow morning.",
    "quiet_lifted": "The loudspeakers speak again.",
    "quiet_failed": "That did not work. Please call again.",
    "live_places": "You may speak live to,",
    "live_count": "this many villages,",
    "live_left_out": "Left out, because quiet was ordered:",
    "live_choose": "To speak to all of them, press one. To choose by village code, two.",
    "live_code": "Enter a three-digit village code. Done: press hash. To choose anew, star.",
    "live_next": "Enter another village code, or press hash.",
    "live_none": "There is no village you can speak to now.",
    "live_not_here": "This line cannot carry a live address. Please use the web page. Goodbye.",
    "live_to": "Your address goes to,",
    "live_ready": (
        "To begin, press one. Villages hear you at once, and you are recorded. "
        "To end, press hash. To silence everything at once, star."
    ),
    "live_calling": "Calling the loudspeakers. Speak after the beep.",
    "live_none_yet": "No loudspeaker has answered yet.",
    "live_now": "Speak now.",
    "live_over": "Your address is over.",
    "live_missing": "Not reached:",
    "live_stopped": "Somebody stopped your address.",
    "live_silence": "Nothing was heard for twenty seconds, so your address is over.",
    "live_limit": "Thirty minutes are over, and so is your address.",
    "live_broken": "The line to the villages broke. They hear you no longer.",
    "live_failed": "The villages cannot be reached now. Nothing was said. Please call again.",
    "live_busy": "Speaking live at this moment:",
    "live_busy_in": "Somebody speaks already to,",
    **{f"digit_{digit}": f"{spoken}." for digit, spoken in enumerate(_DIGITS)},
    **{f"month_{month}": name for month, name in enumerate(_MONTHS, 1)},
    **{f"day_{day}": f"{day}{_ENDINGS.get(day, 'th')}." for day in range(1, 32)},
}
